"""A training step and a map of T-TAME on EfficientNet-Lite0, against clean forward passes of the same batch."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

import timm
import torch

from benchmarks.photographs import settings_of
from ttame.attention.checkpoint import feature_channels
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining
from ttame.backbones import lite0
from ttame.backbones.backbone import Backbone
from ttame.runtime.device import peak_memory_bytes

BATCH, ROUNDS = 32, 9
ATTENTION = settings_of("photos").attention["ttame"]


def rows() -> list[list[str]]:
    """The rows of the table."""
    step, explain = _time_ratios()
    few, many = (_peak_of_a_step(classes) for classes in (10, 1000))
    return [
        [f"T-TAME training step / clean forward pass, lite0, batch {BATCH}", f"{step:.2f}", "3.50"],
        [f"T-TAME map / clean forward pass, lite0, batch {BATCH}", f"{explain:.2f}", "1.20"],
        ["Peak memory of a step, 1000 classes / 10 classes", f"{many / few:.3f}", "1.100"],
    ]


def _backbone(classes: int) -> Backbone:
    torch.manual_seed(0)
    model = timm.create_model(lite0.MODEL, num_classes=classes)
    return Backbone("lite0", model, lite0.PREPROCESSING).to(memory_format=torch.channels_last)


def _training(backbone: Backbone) -> AttentionTraining:
    network = AttentionMechanism(feature_channels(backbone, backbone.layers), backbone.num_classes)
    return AttentionTraining(backbone, network.train(), backbone.layers, ATTENTION.loss, ATTENTION.recipe, 0.01, 1000)


def _images() -> torch.Tensor:
    return torch.rand(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)


def _time_ratios() -> tuple[float, float]:
    """Medians of interleaved runs: a step, and a map, over a clean forward pass."""
    backbone = _backbone(1000)
    training = _training(backbone)
    trained = AttentionMechanism(feature_channels(backbone, backbone.layers), 1000).eval()
    images = _images()
    targets = torch.zeros(BATCH, 1, dtype=torch.long)

    @torch.no_grad()
    def forward() -> None:
        backbone(backbone.normalise(images))

    @torch.no_grad()
    def explain() -> None:
        _, features = backbone.features(backbone.normalise(images), backbone.layers)
        trained(list(features.values()), targets)

    work: Mapping[str, Callable[[], object]] = {
        "forward": forward,
        "explain": explain,
        "step": lambda: training.step(images),
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return median["step"] / median["forward"], median["explain"] / median["forward"]


def _peak_of_a_step(classes: int) -> int:
    """Peak memory in bytes of a few steps, in a process of its own."""
    program = f"from benchmarks.lite0 import print_peak_of_a_step as run; run({classes})"
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return int(json.loads(output.splitlines()[-1]))


def print_peak_of_a_step(classes: int) -> None:
    """What `_peak_of_a_step` runs: the growth of the resident set by two steps."""
    training = _training(_backbone(classes))
    images = _images()
    for _ in range(2):
        training.step(images)
    print(json.dumps(peak_memory_bytes(torch.device("cpu"))))
