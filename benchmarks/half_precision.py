"""Perturbed passes in bfloat16 against float32: how far maps and measures move, and what it saves."""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from benchmarks.agreement import LITE0
from benchmarks.photographs import load_images, settings_of
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.inner_batches import rehearsed
from ttame.measures.options import SingleDeletionOptions
from ttame.measures.single_deletion import cell_correlation, cell_drops
from ttame.metrics.masking import resize_map, saliency_map
from ttame.metrics.rank_correlation import rank_correlation
from ttame.params.settings import ModelSettings
from ttame.runtime.device import read_clock, select_device
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

METHODS = ("scorecam", "rise")
IMAGES = {"cpu": 2, "cuda": 50}
SETTINGS = settings_of("photos")
MEASURED = {"AD(100)": "probability_100", "insertion": "insertion", "deletion": "deletion", "pixels kept": "complexity"}
Row = list[str]


def rows() -> list[Row]:
    """Speed over float32, mean and least rank correlation with its maps, and how far each measure's mean moves."""
    device = select_device(SETTINGS.execution)
    backbone = load_backbone(LITE0, ModelSettings(model=LITE0, weights="default")).to(device)
    images = load_images(backbone, IMAGES[device.type]).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
        drops = cell_drops(backbone, images, SingleDeletionOptions())
    found = []
    for method in METHODS:
        (seconds, maps), (half_seconds, half_maps) = (
            _explained(method, backbone, images, targets, precision) for precision in ("float32", "bfloat16")
        )
        correlation = rank_correlation(maps, half_maps)
        measures = [_measures(backbone, images, targets, drops, given) for given in (maps, half_maps)]
        moved = ", ".join(f"{name} {measures[1][name] - value:+.4f}" for name, value in measures[0].items())
        ranks = f"{correlation.mean():.4f}, {correlation.min():.4f}"
        found.append([f"{method}, {len(images)} images", f"{seconds / half_seconds:.2f}", ranks, moved])
        print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found


def _explained(
    method: str, backbone: Backbone, images: Tensor, targets: Tensor, precision: str
) -> tuple[float, Tensor]:
    """Seconds and maps."""
    options = SETTINGS.options(method)
    assert options is not None
    explainer = make_explainer(method, backbone, options.model_copy(update={"precision": precision}))
    with rehearsed():  # the first call of everything is slow
        explainer(images[:1], targets[:1])
    started = read_clock(images.device)
    maps = explainer(images, targets).detach()
    return read_clock(images.device) - started, maps


@torch.no_grad()
def _measures(backbone: Backbone, images: Tensor, targets: Tensor, drops: Tensor, maps: Tensor) -> dict[str, float]:
    """Means over the images, of maps that are scored in float32."""
    size = backbone.preprocessing.input_size
    names = [str(index) for index in range(len(images))]
    batch = EvaluationBatch(0, backbone.unnormalise(images), [Sample(name) for name in names])
    given = Maps(
        names=names,
        maps=saliency_map(maps, size),
        targets=targets,
        forward_passes=1,
        backward_passes=0,
        preprocessing=backbone.preprocessing,
    )
    columns = score_batch(backbone, batch, given, SETTINGS.metrics)
    found = {title: columns[column].mean().item() for title, column in MEASURED.items()}
    road = [values.double().mean() for name, values in columns.items() if name.startswith("road_morf")]
    deletion = cell_correlation(resize_map(maps.cpu(), size), drops.cpu()).mean().item()
    return found | {"ROAD MoRF": torch.stack(road).mean().item(), "single deletion": deletion}
