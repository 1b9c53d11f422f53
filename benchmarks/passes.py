"""The frozen classifier's perturbed passes, as a GPU could make them: memory format, precision, graphs, compilation."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.photographs import settings_of
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.params.settings import ModelSettings
from ttame.runtime.device import read_clock, select_device

BACKBONES = ("vgg16", "resnet50", "vit_b_16")
BATCH = {"cpu": 2, "cuda": 128}
ROUNDS = {"cpu": 1, "cuda": 10}
Pass = Callable[[Tensor], Tensor]
Row = list[str]


@torch.no_grad()
def rows() -> list[Row]:
    """Seconds until the first result, milliseconds an image after it, and the speed over plain float32."""
    device = select_device(settings_of("paper").execution)
    found = []
    for name in BACKBONES:
        torch.manual_seed(0)
        backbone = load_backbone(name, ModelSettings(model=name, weights="none")).to(device)
        rows, columns = backbone.preprocessing.input_size
        images = torch.rand(BATCH[device.type], 3, rows, columns, device=device)
        plain = 0.0
        for what, make, given in _variants(backbone, images):
            starting, each = _time(make, given)
            plain = plain or each
            found.append([f"{what}, {name}", f"{starting:.1f}", f"{1000 * each:.3f}", f"{plain / each:.2f}"])
            print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found


def _variants(backbone: Backbone, images: Tensor) -> list[tuple[str, Callable[[], Pass], Tensor]]:
    last = images.contiguous(memory_format=torch.channels_last)

    def half(given: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            logits: Tensor = backbone(given)
            return logits

    found: list[tuple[str, Callable[[], Pass], Tensor]] = [
        ("float32", lambda: backbone, images),
        ("float32, channels_last", lambda: backbone, last),
        ("bfloat16", lambda: half, images),
        ("bfloat16, channels_last", lambda: half, last),
    ]
    if images.device.type == "cuda":
        found += [
            ("float32, channels_last, CUDA graph", lambda: _graph(backbone, last), last),
            ("bfloat16, channels_last, CUDA graph", lambda: _graph(half, last), last),
            ("float32, channels_last, torch.compile", lambda: _compiled(backbone), last),
        ]
    return found


def _compiled(backbone: Backbone) -> Pass:
    compiled: Pass = torch.compile(backbone.model)
    return compiled


def _graph(run: Pass, example: Tensor) -> Pass:
    """The pass recorded once and replayed; what it is given is copied into its own memory first."""
    given = example.clone(memory_format=torch.preserve_format)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            run(given)
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run(given)

    def replay(images: Tensor) -> Tensor:
        given.copy_(images)
        graph.replay()
        return result.clone()

    return replay


def _time(make: Callable[[], Pass], images: Tensor) -> tuple[float, float]:
    """Seconds until the first result, and of an image in the rounds after it."""
    started = read_clock(images.device)
    run = make()
    run(images)
    starting = read_clock(images.device) - started
    rounds = ROUNDS[images.device.type]
    started = time.perf_counter()
    for _ in range(rounds):
        run(images)
    return starting, (read_clock(images.device) - started) / rounds / len(images)
