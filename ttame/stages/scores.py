"""Stage: score the maps of one method on one backbone, one row per image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError
from ttame.metrics.adcc import adcc, coherency, complexity
from ttame.metrics.asked import Asked
from ttame.metrics.average_drop import drop
from ttame.metrics.insertion_deletion import CURVES
from ttame.metrics.localisation import mass_inside, pointing_game
from ttame.metrics.masking import normalise_map, saliency_map
from ttame.metrics.road import road_versions
from ttame.metrics.scoring import insertion_and_deletion, masked_probabilities, probability, road_outcomes
from ttame.params.evaluation import MetricSettings
from ttame.params.settings import Settings
from ttame.stages.evaluation_images import EvaluationBatch, EvaluationImages
from ttame.stages.pieces import Part
from ttame.stages.subject import Subject
from ttame.store.commands import command_of
from ttame.store.maps_file import Description, Maps
from ttame.store.origin import origin_of_scores, read_checked_maps
from ttame.store.paths import maps_file, scores_file
from ttame.store.scores_file import write_scores
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone_name: str, method: str, seed: int | None, part: Part | None = None) -> None:
    """Write the Parquet file; a part leaves its batches for the run of the whole. Columns:

    name, target, training_count (missing for a method without training), forward_passes, backward_passes,
    probability (of the target on the clean image), probability_<share> (on the masked image),
    road_morf_<share> and road_lerf_<share> (whether the target is still the top class), insertion_<step> and
    deletion_<step> (probabilities along the curves) and insertion and deletion (the areas below them), complexity,
    coherency and adcc (where the maps of the masked images are there), and, where there is ground truth,
    pointing_game and mass_inside.

    Raises:
        NotDefined: when the maps file says that the method is not defined on this classifier.
    """
    maps = read_checked_maps(settings, backbone_name, method, seed)  # of a pair that is not defined, before any device
    subject = Subject(settings, backbone_name)
    backbone, images, device = subject.backbone, subject.images, subject.device
    _refuse_other_images(maps_file(settings, backbone_name, method, seed), maps, images)
    target = scores_file(settings, backbone_name, method, seed)
    origin = origin_of_scores(settings, backbone_name, method, seed)
    scratch = Scratch(target, subject.identity(origin))
    starts = np.cumsum([0, *images.sizes()])

    @torch.no_grad()
    def score(batch: EvaluationBatch) -> dict[str, Tensor]:
        rows = slice(starts[batch.number], starts[batch.number + 1])
        return score_batch(backbone, batch, maps.of(rows, device), settings.metrics)

    pieces = images.finish(scratch, command_of("scores", backbone_name, method, seed, part=part), score, part)
    if part is not None:
        return
    write_scores(target, _table(maps, list(pieces), settings.metrics), origin)
    scratch.clear()


def _refuse_other_images(source: Path, maps: Description, images: EvaluationImages) -> None:
    if list(maps.names) != images.names:
        raise TTameError(
            f"{source}: maps of {len(maps.names)} images, but {images.list_file} lists {len(images.names)} or others; "
            "run `python -m ttame maps` again"
        )


def score_batch(
    backbone: Backbone, batch: EvaluationBatch, maps: Maps, settings: MetricSettings, asked: Asked | None = None
) -> dict[str, Tensor]:
    """The scores of one batch.

    Args:
        backbone: the frozen classifier.
        batch: (B, 3, H, W) images in [0, 1] and their samples.
        maps: the maps of these B images and the classes that they explain.
        settings: shares, steps and the settings of ROAD.
        asked: what the classifier is asked; all of it by default.

    Returns:
        A (B,) tensor on the CPU for every column, see `run`, that was asked, or that costs no pass.
    """
    asked = asked or Asked(settings.shares)
    targets = maps.targets
    saliency = saliency_map(maps.maps, backbone.preprocessing.input_size)
    clean = backbone.normalise(batch.images)
    unchanged, names = probability(backbone, clean, targets), [sample.name for sample in batch.samples]
    columns = {"probability": unchanged}
    columns |= masked_probabilities(backbone, batch.images, saliency, targets, asked.shares)
    columns |= road_outcomes(backbone, clean, saliency, targets, names, settings.road, asked.orders)
    curves = settings.insertion_deletion
    columns |= insertion_and_deletion(backbone, clean, saliency, targets, unchanged, curves, asked.curves)
    columns["complexity"] = complexity(saliency)
    if maps.maps_of_masked is not None and 100 in asked.shares:
        columns["coherency"] = coherency(normalise_map(maps.maps), normalise_map(maps.maps_of_masked))
        lost = drop(columns["probability"], columns["probability_100"])
        columns["adcc"] = adcc(lost, columns["coherency"], columns["complexity"])
    known = [sample.object_mask for sample in batch.samples if sample.object_mask is not None]
    if len(known) == len(batch.samples):
        object_masks = torch.from_numpy(np.stack(known)).to(saliency.device)
        columns["pointing_game"] = pointing_game(saliency, object_masks)
        columns["mass_inside"] = mass_inside(saliency, object_masks)
    return {name: values.cpu() for name, values in columns.items()}


def _columns(settings: MetricSettings, piece: Mapping[str, Tensor]) -> list[str]:
    """The columns of a piece in one order, whether it was just computed or read back."""
    confidences = ["probability", *(f"probability_{share}" for share in settings.shares)]
    road = [f"road_{order}_{share}" for order, share in road_versions(settings.road)]
    curves = [f"{curve}_{step}" for curve in CURVES for step in range(settings.insertion_deletion.steps + 1)]
    others = [*CURVES, "complexity", "coherency", "adcc", "pointing_game", "mass_inside"]
    return confidences + road + curves + [name for name in others if name in piece]


def _table(maps: Description, pieces: Sequence[Mapping[str, Tensor]], settings: MetricSettings) -> pd.DataFrame:
    table = pd.DataFrame({"name": list(maps.names), "target": maps.targets.numpy()})
    counts = maps.training_counts
    table["training_count"] = pd.array([pd.NA] * len(table) if counts is None else counts.tolist(), dtype="Int64")
    table["forward_passes"], table["backward_passes"] = maps.forward_passes, maps.backward_passes
    for column in _columns(settings, pieces[0]):
        table[column] = torch.cat([piece[column] for piece in pieces]).numpy()
    return table
