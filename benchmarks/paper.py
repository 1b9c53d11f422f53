"""The paper's evaluation list on ResNet-50: how long maps and scores of a method take, from a few images of it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.photographs import load_images, settings_of
from ttame.attention.checkpoint import TrainedMechanism, make_network, save_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.metrics.masking import saliency_map
from ttame.params.settings import ModelSettings
from ttame.runtime.device import device_name, read_clock, select_device
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

METHODS = ("ttame", "gradcam", "ablationcam", "scorecam", "rise")
IMAGES = {"cpu": 1, "cuda": 50}
SETTINGS = settings_of("paper")
Row = list[str]


def rows() -> list[Row]:
    """Passes and seconds an image, and hours of the whole list."""
    device = select_device(SETTINGS.execution)
    torch.manual_seed(0)
    backbone = load_backbone("resnet50", ModelSettings(model="resnet50", weights="none")).to(device)
    images = load_images(backbone, IMAGES[device.type]).to(device).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        targets = backbone(images).argmax(1)
    samples = [Sample(str(number)) for number in range(len(images))]
    batch = EvaluationBatch(0, backbone.unnormalise(images), samples)
    _measure(METHODS[0], backbone, batch, targets)  # the first call of everything is slow
    found = []
    for method in METHODS:
        found.append(_measure(method, backbone, batch, targets))
        print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found


def _measure(method: str, backbone: Backbone, batch: EvaluationBatch, targets: Tensor) -> Row:
    explainer = _explainer(method, backbone)
    images = backbone.normalise(batch.images)
    backbone.passes.forward = backbone.passes.backward = 0
    started = read_clock(images.device)
    maps = explainer(images, targets, batch.samples).detach()
    explained = read_clock(images.device)
    passes = backbone.passes.forward / len(images)
    names = [sample.name for sample in batch.samples]
    with torch.no_grad():
        maps = saliency_map(maps, backbone.preprocessing.input_size)
        score_batch(
            backbone, batch, Maps(names, maps, targets, None, None, 1.0, 0.0, backbone.preprocessing), SETTINGS.metrics
        )
    scored = read_clock(images.device)
    per_image = [(explained - started) / len(images), (scored - explained) / len(images)]
    listed = SETTINGS.data.counts["evaluation"]
    assert listed is not None
    hours = [f"{listed * seconds / 3600:.2f}" for seconds in per_image]
    return [
        f"{method}, {device_name(images.device)}",
        f"{passes:.0f}",
        *(f"{value:.3f}" for value in per_image),
        *hours,
    ]


def _explainer(method: str, backbone: Backbone) -> Explainer:
    if method != "ttame":
        return make_explainer(method, backbone, SETTINGS.options(method))
    device = next(backbone.parameters()).device
    network = make_network(backbone, method, backbone.layers).to(device).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "untrained.safetensors"
        counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
        save_checkpoint(file, TrainedMechanism(network, list(backbone.layers), counts), backbone, method)
        return make_explainer(method, backbone, checkpoint=file)
