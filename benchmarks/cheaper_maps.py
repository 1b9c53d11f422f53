"""Passes in bfloat16 and maps that are kept smaller: how far maps and measures move, and what it saves."""

from __future__ import annotations

import sys
from typing import Any

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
from ttame.metrics.masking import saliency_map
from ttame.metrics.rank_correlation import rank_correlation
from ttame.params.settings import ModelSettings
from ttame.runtime.device import read_clock, select_device
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

FINE: dict[str, Any] = {"largest": 56}
HALF: dict[str, Any] = {"precision": "bfloat16"}
CHEAPER = [
    ("scorecam", HALF),
    ("rise", HALF),
    ("rise", FINE),
    ("iia", FINE),
    ("integrated_gradients", FINE),
    ("smoothgrad", FINE),
]
"""Methods, and the options that make them cheaper."""
IMAGES = {"cpu": 10, "cuda": 50}
SETTINGS = settings_of("photos")
MEASURED = {"AD(100)": "probability_100", "insertion": "insertion", "deletion": "deletion", "pixels kept": "complexity"}
Row = list[str]


def rows() -> list[Row]:
    """Speed over the method as it is, rank correlation with its maps, and how far each measure's mean moves."""
    device = select_device(SETTINGS.execution)
    backbone = load_backbone(LITE0, ModelSettings(model=LITE0, weights="default")).to(device)
    images = load_images(backbone, IMAGES[device.type]).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
        drops = cell_drops(backbone, images, SingleDeletionOptions())
    found = []
    for method, options in CHEAPER:
        seconds, maps = _explained(method, backbone, images, targets, {})
        less, cheaper = _explained(method, backbone, images, targets, options)
        given = [saliency_map(raw, backbone.preprocessing.input_size) for raw in (maps, cheaper)]
        correlation = rank_correlation(*given)
        measures = [_measures(backbone, images, targets, drops, saliency) for saliency in given]
        moved = ", ".join(f"{name} {measures[1][name] - value:+.4f}" for name, value in measures[0].items())
        ranks = f"{correlation.mean():.4f}, {correlation.min():.4f}"
        what = " ".join(f"{key}: {value}" for key, value in options.items())
        found.append([f"{method}, {what}, {len(images)} images", f"{seconds / less:.2f}", ranks, moved])
        print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found


def _explained(
    method: str, backbone: Backbone, images: Tensor, targets: Tensor, changed: dict[str, Any]
) -> tuple[float, Tensor]:
    """Seconds and maps."""
    options = SETTINGS.options(method)
    assert options is not None
    explainer = make_explainer(method, backbone, options.model_copy(update=changed))
    with rehearsed():  # the first call of everything is slow
        explainer(images[:1], targets[:1])
    started = read_clock(images.device)
    maps = explainer(images, targets).detach()
    return read_clock(images.device) - started, maps


@torch.no_grad()
def _measures(backbone: Backbone, images: Tensor, targets: Tensor, drops: Tensor, maps: Tensor) -> dict[str, float]:
    """Means over the images, of (B, H, W) maps in [0, 1] that are scored in float32."""
    names = [str(index) for index in range(len(images))]
    batch = EvaluationBatch(0, backbone.unnormalise(images), [Sample(name) for name in names])
    given = Maps(
        names=names,
        maps=maps,
        targets=targets,
        forward_passes=1,
        backward_passes=0,
        preprocessing=backbone.preprocessing,
    )
    columns = score_batch(backbone, batch, given, SETTINGS.metrics)
    found = {title: columns[column].mean().item() for title, column in MEASURED.items()}
    road = [values.double().mean() for name, values in columns.items() if name.startswith("road_morf")]
    deletion = cell_correlation(maps.cpu(), drops.cpu()).mean().item()
    return found | {"ROAD MoRF": torch.stack(road).mean().item(), "single deletion": deletion}
