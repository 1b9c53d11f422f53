"""The explainers on EfficientNet-Lite0 against the package grad-cam and a plain RISE loop, the same work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytorch_grad_cam
import timm
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks.peers import GRAD_CAM_CLASSES
from benchmarks.photographs import load_images
from benchmarks.workers import Run, Worker, interleaved
from ttame.backbones import lite0
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.transforms import Preprocessing
from ttame.explainers.explainer import make_explainer
from ttame.explainers.rise import draw_grids, enlarge
from ttame.params.settings import ModelSettings
from ttame.runtime.device import peak_memory_bytes

HERE = "benchmarks.explainers"
IMAGES = 8
MASKS = 400
PLAIN_BATCH = 100
RISE: dict[str, Any] = {"masks": MASKS, "cells": 7, "keep": 0.5, "scores": "softmax", "seed": 0}
GRADIENT = ("gradcam", "gradcam++", "xgradcam", "layercam", "hirescam", "eigencam", "eigengradcam")
Row = list[str]


def rows() -> list[Row]:
    """The rows of the table: what was measured, ours against the peer, the ratio, and what it should at least be."""
    found: list[Row] = []
    for threads in sorted({1, os.cpu_count() or 1}):
        found += [_against_package(method, 32, threads, rounds=4, least="1.5") for method in GRADIENT]
        found.append(_against_package("scorecam", 1, threads, rounds=3, least="2"))
        found.append(_against_package("ablationcam", 1, threads, rounds=3, least="100"))
        found.append(_rise(threads))
        found += [_lrp(model, threads) for model in ("shapes_vit", "deit_tiny_patch16_224")]
    few, many = _peak_memory(MASKS), _peak_memory(8 * MASKS)
    found.append(
        [f"rise, peak memory with {8 * MASKS} masks / {MASKS} masks", "", "", f"{many / few:.3f}", "at most 1.1"]
    )
    return found


def _against_package(method: str, batch: int, threads: int, rounds: int, least: str) -> Row:
    with (
        Worker(f"{HERE}:ours", True, threads, method, batch) as first,
        Worker(f"{HERE}:package", False, threads, method, batch) as second,
    ):
        mine, theirs = interleaved(first, second, rounds)
    return _row(f"{method}, batch {batch}, grad-cam", threads, mine / batch, theirs / batch, least)


def _rise(threads: int) -> Row:
    with (
        Worker(f"{HERE}:ours", True, threads, "rise", 1) as first,
        Worker(f"{HERE}:plain_rise", False, threads) as second,
    ):
        mine, theirs = interleaved(first, second, 4)
    return _row(f"rise, {MASKS} masks, plain loop", threads, mine, theirs, "2")


def _lrp(model: str, threads: int) -> Row:
    with (
        Worker(f"{HERE}:lrp", True, threads, model, 16) as first,
        Worker(f"{HERE}:lrp", True, threads, model, 1) as second,
    ):
        many, one = interleaved(first, second, 6)
    return _row(f"lrp on {model}, batch 16, batch 1", threads, many / 16, one, "3")


def _row(what: str, threads: int, mine: float, theirs: float, least: str) -> Row:
    name, _, peer = what.rpartition(", ")
    label = f"{name} against {peer}, {threads} thread{'s' if threads > 1 else ''}"
    row = [label, f"{1000 * mine:.1f}", f"{1000 * theirs:.1f}", f"{theirs / mine:.2f}", least]
    print(*row, sep=" | ", file=sys.stderr, flush=True)  # the whole table takes half an hour
    return row


def _lite0() -> Backbone:
    return load_backbone("lite0", ModelSettings(model="tf_efficientnet_lite0", weights="default"))


def _as_timm_builds_it() -> nn.Module:
    model: nn.Module = timm.create_model(lite0.MODEL).eval()
    weights = lite0.find_weights()
    if weights is not None:
        lite0.load_weights(model, weights)
    return model


def _images(backbone: Backbone, batch: int) -> tuple[Tensor, Tensor]:
    images = load_images(backbone, IMAGES)
    images = images.repeat(-(-batch // IMAGES), 1, 1, 1)[:batch]
    return images, backbone(images).argmax(1)


def ours(method: str, batch: int) -> Run:
    """One of our explainers."""
    backbone = _lite0()
    images, targets = _images(backbone, batch)
    images = images.contiguous(memory_format=torch.channels_last)
    explainer = make_explainer(method, backbone, RISE if method == "rise" else None)
    return lambda: explainer(images, targets)


def package(method: str, batch: int) -> Run:
    """The same method of the package grad-cam, on the classifier as timm builds it."""
    backbone = _lite0()
    images, labels = _images(backbone, batch)
    model = _as_timm_builds_it()
    layer = model.get_submodule(backbone.target_layer)
    explainer = getattr(pytorch_grad_cam, GRAD_CAM_CLASSES[method])(model=model, target_layers=[layer])
    targets = [ClassifierOutputTarget(int(label)) for label in labels]
    return lambda: explainer(images, targets)


def plain_rise() -> Run:
    """RISE as its authors wrote it: all masks made first and stored, then run in batches of 100."""
    backbone = _lite0()
    images, targets = _images(backbone, 1)
    model = _as_timm_builds_it()
    size = backbone.preprocessing.input_size
    grids, shifts = draw_grids(MASKS, RISE["cells"], RISE["keep"], size, 0)
    masks = enlarge(grids.float(), shifts, size)[:, None]

    @torch.no_grad()
    def run() -> Tensor:
        stack = images * masks
        scores = [model(stack[start : start + PLAIN_BATCH]) for start in range(0, MASKS, PLAIN_BATCH)]
        weighed = torch.cat(scores).softmax(1).T @ masks.view(MASKS, -1)
        return weighed.view(-1, *size)[targets] / MASKS / 0.5

    return run


def lrp(model: str, batch: int) -> Run:
    """Relevance propagation on a transformer with random weights."""
    weights = "default" if model == "shapes_vit" else "none"
    torch.manual_seed(0)
    backbone = load_backbone(model, ModelSettings(model=model, weights=weights))
    images = torch.randn(batch, 3, *backbone.preprocessing.input_size)
    explainer = make_explainer("lrp", backbone, {"start_layer": 0})
    targets = torch.zeros(batch, dtype=torch.long)
    return lambda: explainer(images, targets)


def _peak_memory(masks: int) -> int:
    program = f"from {HERE} import print_peak_memory as run; run({masks})"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return int(json.loads(output.splitlines()[-1]))


def print_peak_memory(masks: int) -> None:
    """What `_peak_memory` runs: a RISE map with that many masks, in a small classifier so that masks would show."""
    small = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(4 * 28 * 28, 5))
    plain = ((0.0,) * 3, (1.0,) * 3)
    backbone = Backbone("small", small, Preprocessing((224, 224), 224, "bilinear", *plain), ["0"], "0")
    options = RISE | {"masks": masks}
    make_explainer("rise", backbone, options)(torch.rand(1, 3, 224, 224), torch.tensor([0]))
    print(json.dumps(peak_memory_bytes(torch.device("cpu"))))
