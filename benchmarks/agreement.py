"""The same numbers on every device: maps, scores, fills, drops and training steps, against the CPU's."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from benchmarks.photographs import load_images, settings_of
from benchmarks.untrained import explainer_of
from ttame.attention.checkpoint import make_network
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.errors import NotDefined
from ttame.explainers.registry import EXPLAINERS, find
from ttame.measures.options import SingleDeletionOptions
from ttame.measures.single_deletion import cell_drops
from ttame.metrics.imputation import impute_linear
from ttame.metrics.rank_correlation import rank_correlation
from ttame.params.attention import LossSettings, RecipeSettings
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.settings import ModelSettings
from ttame.runtime.device import select_device
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

LITE0 = "tf_efficientnet_lite0"
BACKBONES = {"shapes_cnn": 8, "shapes_vit": 8, LITE0: 4}
"""Trained classifiers, and the images that each explains."""
AUXILIARY = AuxiliarySettings(name="shapes_vit", model="shapes_vit", weights="default", layers="auto")
SETTINGS = settings_of("shapes")
MASKINGS = ("random", "diagonal", "max")
STEPS = 5
Row = list[str]


def rows() -> list[Row]:
    """What was computed, the largest difference relative to the CPU's range, and the least rank correlation."""
    device = select_device(SETTINGS.execution.model_copy(update={"portable": False}))
    found = []
    for name, count in BACKBONES.items():
        for row in _of_backbone(name, count, device):
            print(*row, sep=" | ", file=sys.stderr, flush=True)
            found.append(row)
    return found


def _of_backbone(name: str, count: int, device: torch.device) -> Iterator[Row]:
    model = ModelSettings(model=name, weights="default")
    here, there = load_backbone(name, model), load_backbone(name, model).to(device)
    images, samples = _images(here, count)
    with torch.no_grad():
        targets = here(here.normalise(images)).argmax(1)
        logits = [backbone(_clean(backbone, images)).cpu() for backbone in (here, there)]
    yield _row(f"logits, {name}", logits[0], logits[1])
    for method in EXPLAINERS:
        if find(method).kind != "control":
            try:
                one, other = (_explained(method, backbone, images, targets, samples) for backbone in (here, there))
            except NotDefined:
                continue
            yield _row(f"map of {method}, {name}", one, other, _least(one, other))
    yield from _scores(name, here, there, images, targets, samples)
    yield from _trainings(name, here, there, images)


def _images(backbone: Backbone, count: int) -> tuple[Tensor, list[Sample]]:
    """(count, 3, H, W) in [0, 1]: rendered images with their objects, or photographs."""
    if backbone.name == LITE0:
        return backbone.unnormalise(load_images(backbone, count)), [Sample(str(index)) for index in range(count)]
    rendered = [render(1, index) for index in range(count)]
    pixels = torch.from_numpy(np.stack([image.pixels for image in rendered])).permute(0, 3, 1, 2)
    return to_unit_range(pixels), [Sample(str(index), image.object_mask) for index, image in enumerate(rendered)]


def _clean(backbone: Backbone, images: Tensor) -> Tensor:
    moved = images.to(next(backbone.parameters()).device)
    return backbone.normalise(moved.contiguous(memory_format=torch.channels_last))


def _explained(method: str, backbone: Backbone, images: Tensor, targets: Tensor, samples: list[Sample]) -> Tensor:
    explainer = explainer_of(method, backbone, SETTINGS, AUXILIARY)
    clean = _clean(backbone, images)
    return explainer(clean, targets.to(clean.device), samples).detach().cpu()


@torch.no_grad()
def _scores(
    name: str, here: Backbone, there: Backbone, images: Tensor, targets: Tensor, samples: list[Sample]
) -> Iterator[Row]:
    """Every score of the same maps, the confidences apart from the outcomes, which are yes or no."""
    maps = _explained("gradcam", here, images, targets, samples)
    given = Maps(
        names=[sample.name for sample in samples],
        maps=maps,
        targets=targets,
        maps_of_masked=maps.flip(0),
        forward_passes=1,
        backward_passes=1,
        preprocessing=here.preprocessing,
    )
    found = []
    for backbone in (here, there):
        moved = images.to(next(backbone.parameters()).device)
        batch = EvaluationBatch(0, moved.contiguous(memory_format=torch.channels_last), samples)
        columns = score_batch(backbone, batch, given.of(slice(None), moved.device), SETTINGS.metrics)
        found.append({column: values.double() for column, values in columns.items()})
    outcomes = [column for column in found[0] if column.startswith("road_") or column == "pointing_game"]
    others = [column for column in found[0] if column not in outcomes]
    for title, chosen in (("scores", others), ("yes or no scores", outcomes)):
        one, other = (torch.stack([table[column] for column in chosen]) for table in found)
        yield _row(f"{title}, {name}", one, other)
    yield _row(f"fills, {name}", _fills(here, images), _fills(there, images))
    yield _row(f"single deletion's drops, {name}", _drops(here, images), _drops(there, images))


def _fills(backbone: Backbone, images: Tensor) -> Tensor:
    clean = _clean(backbone, images)
    removed = torch.from_numpy(np.random.default_rng(0).random((len(images), *images.shape[2:])) < 0.7)
    return impute_linear(clean, removed.to(clean.device)).cpu()


def _drops(backbone: Backbone, images: Tensor) -> Tensor:
    return cell_drops(backbone, _clean(backbone, images), SingleDeletionOptions()).cpu()


def _trainings(name: str, here: Backbone, there: Backbone, images: Tensor) -> Iterator[Row]:
    """The mechanism's maps after some steps in float32, for every masking mode."""
    for masking in MASKINGS:
        loss = LossSettings.model_validate({"masking": masking})
        one, other = (_trained(backbone, images, loss) for backbone in (here, there))
        yield _row(f"maps after {STEPS} steps, {masking}, {name}", one, other, _least(one, other))


def _trained(backbone: Backbone, images: Tensor, loss: LossSettings) -> Tensor:
    torch.manual_seed(0)
    network = make_network(backbone, "ttame", backbone.layers).train()
    recipe = RecipeSettings(precision="float32")
    moved = images.to(next(backbone.parameters()).device)
    training = AttentionTraining(backbone, network.to(moved.device), backbone.layers, loss, recipe, 0.01, STEPS)
    for _ in range(STEPS):
        training.step(moved)
    with torch.no_grad():
        _, features = backbone.features(backbone.normalise(moved), backbone.layers)
        classes = torch.zeros(len(moved), 1, dtype=torch.int64, device=moved.device)
        maps: Tensor = network.eval()(list(features.values()), classes)
    return maps[:, 0].cpu()


def _least(one: Tensor, other: Tensor) -> float:
    """The least rank correlation of the maps that are not constant on the CPU, a method's empty ones."""
    varied = one.flatten(1).amax(1) > one.flatten(1).amin(1)
    return rank_correlation(one[varied], other[varied]).min().item()


def _row(what: str, one: Tensor, other: Tensor, correlation: float | None = None) -> Row:
    spread = (one.max() - one.min()).item() or 1.0
    difference = (one - other).abs().max().item() / spread
    return [what, f"{difference:.1e}", "" if correlation is None else f"{correlation:.6f}"]
