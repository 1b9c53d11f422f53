"""The paper's evaluation list on ResNet-50: how long maps and scores of a method take, from a few images of it."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.photographs import load_images, settings_of
from ttame.attention.checkpoint import TrainedMechanism, make_network, save_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.device import device_name, select_device
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.metrics.masking import normalise_map, resize_map
from ttame.settings import ModelSettings
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.maps_file import Maps
from ttame.stages.scores import score_batch

METHODS = ("ttame", "gradcam", "ablationcam", "scorecam", "rise")
IMAGES = {"cpu": 1, "cuda": 50}
LISTED = 2000
SETTINGS = settings_of("paper")
Row = list[str]


def rows() -> list[Row]:
    """Passes and seconds an image, and hours of the whole list."""
    device = select_device(SETTINGS.execution)
    torch.manual_seed(0)
    backbone = load_backbone("resnet50", ModelSettings("resnet50", "none", "auto", "auto")).to(device)
    images = load_images(backbone, IMAGES[device.type]).to(device).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
    samples = [Sample(str(number)) for number in range(len(images))]
    batch = EvaluationBatch(0, backbone.unnormalise(images), samples)
    _measure("ttame", backbone, batch, targets)  # the first call of everything is slow
    found = []
    for method in METHODS:
        found.append(_measure(method, backbone, batch, targets))
        print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found


def _measure(method: str, backbone: Backbone, batch: EvaluationBatch, targets: Tensor) -> Row:
    explainer = _explainer(method, backbone)
    images = backbone.normalise(batch.images)
    backbone.passes.forward = backbone.passes.backward = 0
    started = _now()
    maps = explainer(images, targets, batch.samples).detach()
    explained = _now()
    passes = backbone.passes.forward / len(images)
    names = [sample.name for sample in batch.samples]
    with torch.no_grad():
        maps = resize_map(normalise_map(maps), backbone.preprocessing.input_size)
        score_batch(backbone, batch, Maps(names, maps, targets, None, None, 1.0, 0.0), SETTINGS.metrics)
    return _row(method, passes, (explained - started) / len(images), (_now() - explained) / len(images))


def _explainer(method: str, backbone: Backbone) -> Explainer:
    if method != "ttame":
        return make_explainer(method, backbone, SETTINGS.explainers.get(method))
    device = next(backbone.parameters()).device
    network = make_network(backbone, method, backbone.layers).to(device).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "untrained.safetensors"
        counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
        save_checkpoint(file, TrainedMechanism(network, list(backbone.layers), counts), backbone, method)
        return make_explainer(method, backbone, checkpoint=file)


def _row(method: str, forward: float, maps: float, scores: float) -> Row:
    device = device_name(select_device(SETTINGS.execution))
    hours = LISTED / 3600
    row = [f"{method}, {device}", f"{forward:.0f}", f"{maps:.3f}", f"{scores:.3f}"]
    return [*row, f"{maps * hours:.2f}", f"{scores * hours:.2f}"]


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()
