"""The evaluation of a method on EfficientNet-Lite0: ROAD's imputation against the package grad-cam's, and the rest."""

from __future__ import annotations

import itertools
import os
import sys
import time
from functools import cache

import numpy as np
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor

from benchmarks.photographs import REPOSITORY, load_images, settings_of
from benchmarks.workers import Run, Worker, interleaved
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import make_explainer
from ttame.metrics.imputation import impute_linear
from ttame.metrics.masking import rank_pixels, removed_pixels, saliency_map
from ttame.metrics.road import perturbed_images
from ttame.params.settings import ModelSettings
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

HERE = "benchmarks.evaluation"
IMAGES, BATCH = 16, 32
MODEL = "tf_efficientnet_lite0"
# Without coherency, since the maps stage makes the maps of masked images.
METRICS = settings_of("photos").metrics.model_copy(update={"coherency": False})
ROAD = METRICS.road
PASSES = 1 + len(METRICS.shares) + 2 * len(ROAD.shares) + 2 * METRICS.insertion_deletion.steps
CHECKPOINT = REPOSITORY / f"results/photos/attention/{MODEL}/ttame.seed1.safetensors"
Row = list[str]


def rows() -> list[Row]:
    """What was measured, ours, the other, the ratio, and what it should be."""
    found: list[Row] = []
    for threads in sorted({1, os.cpu_count() or 1}):
        found.append(_sweep(threads))
        found += _evaluation(threads)
    return found + _shares()


def _sweep(threads: int) -> Row:
    with Worker(f"{HERE}:ours", True, threads) as first, Worker(f"{HERE}:package", False, threads) as second:
        mine, theirs = interleaved(first, second, 3)
    what = f"ROAD's 14 fills of an image, {_which_maps()} maps, against grad-cam, {_threads(threads)}"
    return _row(what, mine / IMAGES, theirs / IMAGES, f"{theirs / mine:.1f}", "at least 10")


def _evaluation(threads: int) -> list[Row]:
    with (
        Worker(f"{HERE}:evaluation", True, threads) as whole,
        Worker(f"{HERE}:fills", True, threads) as fills,
        Worker(f"{HERE}:forward_passes", True, threads) as bare,
    ):
        total, passes = interleaved(whole, bare, 4)
        filling, _ = interleaved(fills, fills, 3)
    other = total - filling
    what = f"evaluation of an image{{}} against its {PASSES} forward passes, " + _threads(threads)
    return [
        _row(what.format(" without the fills"), other / BATCH, passes / BATCH, f"{other / passes:.2f}", "at most 1.3"),
        _row(what.format(""), total / BATCH, passes / BATCH, f"{total / passes:.2f}", ""),
    ]


def _shares() -> list[Row]:
    """Time and largest error of a fill at every share, one thread, against the package's direct solve."""
    torch.set_num_threads(1)
    images, maps = _images_and_maps()
    found = []
    for share in ROAD.shares:
        seconds, errors = np.zeros(2), []
        for kind, order in itertools.product(maps, (1, -1)):
            removed = _removed(order * maps[kind], share)
            started = time.perf_counter()
            mine = impute_linear(images, removed)
            between = time.perf_counter()
            theirs = _direct(images, removed)
            seconds += [between - started, time.perf_counter() - between]
            errors.append((mine - theirs).abs().max().item())
        mean, direct = seconds / (len(images) * len(errors))
        what = f"a fill of {share} %, {', '.join(maps)} maps, error against the direct solve, 1 thread"
        found.append(_row(what, mean, direct, f"{max(errors):.1e}", "at most 1e-3"))
    return found


def _row(what: str, mine: float, theirs: float, figure: str, bound: str) -> Row:
    row = [what, f"{1000 * mine:.1f}", f"{1000 * theirs:.1f}", figure, bound]
    print(*row, sep=" | ", file=sys.stderr, flush=True)
    return row


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


@cache
def _backbone() -> Backbone:
    return load_backbone(MODEL, ModelSettings(model=MODEL, weights="default"))


def _images_and_maps(only: str | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    """(16, 3, 224, 224), normalised, and their (16, 224, 224) maps; T-TAME's where a mechanism was trained."""
    backbone = _backbone()
    images = load_images(backbone, IMAGES)
    targets = backbone(images).argmax(1)
    samples = [Sample(str(number)) for number in range(IMAGES)]
    explainers = {
        "Grad-CAM": make_explainer("gradcam", backbone, {}),
        "RISE": make_explainer(
            "rise", backbone, {"masks": 100, "cells": 7, "keep": 0.5, "scores": "softmax", "seed": 1}
        ),
        "random": make_explainer("random", backbone, {"cells": 224, "seed": 1}),
    }
    if CHECKPOINT.exists():
        explainers = {"T-TAME": make_explainer("ttame", backbone, checkpoint=CHECKPOINT), **explainers}
    size = backbone.preprocessing.input_size
    wanted = {name: explain for name, explain in explainers.items() if only in (None, name)}
    maps = {name: explain(images, targets, samples).detach() for name, explain in wanted.items()}
    return images, {name: saliency_map(found, size) for name, found in maps.items()}


def _which_maps() -> str:
    return "T-TAME" if CHECKPOINT.exists() else "Grad-CAM"


def _removed(maps: Tensor, share: int) -> Tensor:
    return removed_pixels(rank_pixels(maps), share).view(maps.shape)


def _direct(images: Tensor, removed: Tensor) -> Tensor:
    """The package's imputation, one image at a time, without noise."""
    imputer = NoisyLinearImputer(noise=0.0)
    return torch.stack([imputer(image, (~gone).float()) for image, gone in zip(images, removed, strict=True)])


def _all_removed() -> tuple[Tensor, Tensor]:
    images, maps = _images_and_maps(_which_maps())
    chosen = maps[_which_maps()]
    removed = [_removed(order * chosen, share) for order in (1, -1) for share in ROAD.shares]
    return images, torch.stack(removed, dim=1)


def ours() -> Run:
    """All fills of all photographs."""
    images, removed = _all_removed()
    repeated = images[:, None].expand(-1, removed.shape[1], -1, -1, -1)
    return lambda: impute_linear(repeated.flatten(0, 1), removed.flatten(0, 1))


def package() -> Run:
    """The same fills by the package."""
    images, removed = _all_removed()
    return lambda: [_direct(images, gone) for gone in removed.unbind(1)]


def _batch() -> tuple[Backbone, Tensor, Tensor]:
    """A batch of 32 normalised photographs and their maps."""
    images, maps = _images_and_maps(_which_maps())
    chosen = maps[_which_maps()]
    repeats = BATCH // IMAGES
    return _backbone(), images.repeat(repeats, 1, 1, 1), chosen.repeat(repeats, 1, 1)


def evaluation() -> Run:
    """Every score of a batch."""
    backbone, images, maps = _batch()
    targets = backbone(images).argmax(1)
    samples = [Sample(str(number)) for number in range(BATCH)]
    explained = Maps(
        names=[sample.name for sample in samples],
        maps=maps,
        targets=targets,
        forward_passes=1,
        backward_passes=0,
        preprocessing=backbone.preprocessing,
    )
    batch = EvaluationBatch(0, backbone.unnormalise(images), samples)

    @torch.no_grad()
    def run() -> object:
        return score_batch(backbone, batch, explained, METRICS)

    return run


def fills() -> Run:
    """The perturbed images of a batch, as the scores need them."""
    _, images, maps = _batch()
    names = [str(number) for number in range(BATCH)]

    def run() -> object:
        rows = torch.arange(BATCH).split(2)
        return [perturbed_images(images[r], maps[r], [names[i] for i in r], ROAD) for r in rows]

    return run


def forward_passes() -> Run:
    """As many forward passes as the scores take."""
    backbone, images, _ = _batch()

    @torch.no_grad()
    def run() -> object:
        return [backbone(images) for _ in range(PASSES)]

    return run
