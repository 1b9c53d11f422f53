"""The paper's evaluation list: how long maps and scores take, and what they ask of the device, from a few images."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks.device_work import device_work
from benchmarks.photographs import load_images, settings_of
from benchmarks.untrained import explainer_of
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.errors import NotDefined
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.inner_batches import rehearsed
from ttame.explainers.registry import EXPLAINERS, find
from ttame.metrics.masking import saliency_map
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.settings import ModelSettings
from ttame.runtime.device import read_clock, select_device
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

BACKBONES = {"cpu": ("resnet50",), "cuda": ("vgg16", "resnet50", "vit_b_16")}
METHODS = {
    "cpu": ("ttame", "gradcam", "ablationcam", "scorecam", "rise"),
    "cuda": tuple(method for method, entry in EXPLAINERS.items() if entry.kind not in ("control", "ablation")),
}
IMAGES = {"cpu": 1, "cuda": 32}
FEW = 1
"""Images where each takes hundreds of passes."""
LONG = ("scorecam", "rise", "iia", "smoothgrad", "integrated_gradients", "ablationcam")
SETTINGS = settings_of("paper")
AUXILIARY = AuxiliarySettings(name="resnet18", model="resnet18", weights="none", layers="auto")
Row = list[str]


def rows() -> list[Row]:
    """Passes, launches and waits an image, its milliseconds, and hours of the whole list."""
    device = select_device(SETTINGS.execution)
    found = []
    for name in BACKBONES[device.type]:
        torch.manual_seed(0)
        backbone = load_backbone(name, ModelSettings(model=name, weights="none")).to(device)
        images = load_images(backbone, IMAGES[device.type]).contiguous(memory_format=torch.channels_last)
        for row in _of_backbone(backbone, images):
            print(*row, sep=" | ", file=sys.stderr, flush=True)
            found.append(row)
    return found


def _of_backbone(backbone: Backbone, images: Tensor) -> Iterator[Row]:
    with torch.no_grad():
        targets = backbone(images).argmax(1)
    for method in METHODS[images.device.type]:
        try:
            explainer = explainer_of(method, backbone, SETTINGS, AUXILIARY)
            yield _maps(method, explainer, images[: FEW if method in LONG else None], targets)
        except NotDefined:
            continue
    yield _scores(backbone, images, targets)


def _maps(method: str, explainer: Explainer, images: Tensor, targets: Tensor) -> Row:
    backbone, count = explainer.backbone, len(images)
    samples = [Sample(str(number)) for number in range(count)]

    def explain() -> object:
        return explainer(images, targets[:count], samples)

    with rehearsed():  # the first call of everything is slow
        explain()
    with rehearsed() as left_out:
        asked = device_work(explain, lambda tensor: tensor.device.type == images.device.type)
    backbone.passes.forward = backbone.passes.backward = 0
    started = read_clock(images.device)
    explain()
    seconds = (read_clock(images.device) - started) / count
    forward, backward = backbone.passes.forward / count, backbone.passes.backward / count
    of_all = forward / (forward - left_out.passes / count)
    passes = f"{forward:.0f} + {backward:.0f}"
    counted = [f"{of_all * asked.launches / count:.0f}", f"{of_all * asked.waits / count:.1f}"]
    return [f"{find(method).title}, {backbone.name}", passes, *counted, *_durations(seconds), ""]


@torch.no_grad()
def _scores(backbone: Backbone, images: Tensor, targets: Tensor) -> Row:
    names = [str(number) for number in range(len(images))]
    size = backbone.preprocessing.input_size
    coarse = torch.rand(len(images), 7, 7, generator=torch.Generator().manual_seed(0))
    maps = Maps(
        names=names,
        maps=saliency_map(coarse.to(images), size),
        targets=targets,
        forward_passes=1,
        backward_passes=0,
        preprocessing=backbone.preprocessing,
    )
    batch = EvaluationBatch(0, backbone.unnormalise(images), [Sample(name) for name in names])

    def score() -> object:
        return score_batch(backbone, batch, maps, SETTINGS.metrics)

    asked = device_work(score, lambda tensor: tensor.device.type == images.device.type)
    backbone.passes.forward = 0
    started = read_clock(images.device)
    score()
    seconds = (read_clock(images.device) - started) / len(images)
    passes = backbone.passes.forward / len(images)
    with torch.no_grad():
        started = read_clock(images.device)
        for _ in range(round(passes)):
            backbone(images)
        bare = (read_clock(images.device) - started) / len(images)
    counted = [f"{passes:.0f} + 0", f"{asked.launches / len(images):.0f}", f"{asked.waits / len(images):.1f}"]
    return [f"all scores of a method, {backbone.name}", *counted, *_durations(seconds), f"{seconds / bare:.2f}"]


def _durations(seconds: float) -> list[str]:
    listed = SETTINGS.data.counts["evaluation"]
    assert listed is not None
    return [f"{1000 * seconds:.1f}", f"{listed * seconds / 3600:.2f}"]
