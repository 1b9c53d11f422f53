"""Training on the paper's classifiers: a step against the bare passes in it, and the loader that feeds it."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor

from benchmarks.photographs import PHOTOS, settings_of
from ttame.attention.checkpoint import make_network
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.dataset import ImageDataset, load_batches
from ttame.data.shapes import render
from ttame.data.sources import FolderSource
from ttame.data.transforms import to_unit_range
from ttame.params.settings import ModelSettings
from ttame.runtime.device import device_name, peak_memory_bytes, read_clock
from ttame.runtime.processes import open_processes

BACKBONES = ("vgg16", "resnet50", "vit_b_16")
BATCHES = {"cpu": (8,), "cuda": (32, 64, 128, 256)}
ROUNDS = 4
FILES, SHORTER_SIDE, QUALITY = 64, 375, 95
"""JPEGs as large as ILSVRC's, which are 500 x 375 pixels and 110 kB as a rule."""
SETTINGS = settings_of("paper")
WORKERS = min(SETTINGS.execution.workers, os.cpu_count() or 1)
LOADED = 1024
FED = {"cpu": 6, "cuda": 60}
"""Steps that the loader feeds."""
Row = list[str]


def rows() -> list[Row]:
    """Images per second of ours, of what it is held against, their ratio and its bound."""
    with tempfile.TemporaryDirectory() as folder:
        _write_images(Path(folder))
        return [row for name in BACKBONES for row in _backbone(name, FolderSource(Path(folder)))]


def _backbone(name: str, source: FolderSource) -> list[Row]:
    attention = SETTINGS.attention["ttame"]
    processes = open_processes(SETTINGS.execution, "auto")
    device = processes.device
    torch.manual_seed(0)
    backbone = load_backbone(name, ModelSettings(model=name, weights="none")).to(device)
    network = make_network(backbone, "ttame", backbone.layers).to(device).train()
    layers, loss, recipe = backbone.layers, attention.loss, attention.recipe
    # A rate near zero, since with random weights the training could diverge.
    training = AttentionTraining(backbone, network, layers, loss, recipe, 1e-9, 10_000, processes=processes)
    names = [entry for entry, _ in source.available()]
    dataset = ImageDataset(source, names, backbone.preprocessing, augmentation_seed=1)
    found, speeds = [], {}
    for size in BATCHES[device.type]:
        rows_of_size, speeds[size] = _steps(training, size)
        found += rows_of_size
    best = max(speeds, key=lambda size: speeds[size])
    floor = speeds[best][1]
    where = f"{WORKERS} workers against bare passes, {name}, batch {best}"
    found.append(_row(f"steps fed by {where}", _fed(training, dataset, best, FED[device.type]), floor, "at least 0.8"))
    return [*found, _row(f"loader of {where}", _loader(dataset), floor, "at least 1")]


def _steps(training: AttentionTraining, size: int) -> tuple[list[Row], tuple[float, float]]:
    """A step on a batch that is there already; and the images per second, of it and of the bare passes."""
    backbone, device = training.backbone, training.processes.device
    rows, columns = backbone.preprocessing.input_size
    images = torch.rand(size, 3, rows, columns, device=device).contiguous(memory_format=torch.channels_last)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    step, floor = _interleaved(
        lambda: training.step(images), lambda: _bare(backbone, images, training.processes), device
    )
    where = f"{backbone.name}, batch {size}, {device_name(device)}"
    found = [_row(f"training step against its bare passes, {where}", size / step, size / floor, "at least 0.8")]
    if device.type == "cuda":  # elsewhere it is that of the whole process, all classifiers so far included
        memory = f"{peak_memory_bytes(device) / 2**30:.2f}"
        found.append([f"peak memory of a step, GiB, {where}", memory, "", "", "below 8 for vit_b_16, batch 32"])
    return found, (size / step, size / floor)


def _bare(backbone: Backbone, images: Tensor, processes: Fabric) -> Tensor:
    """The clean pass, the masked pass, and the gradient back to the image."""
    clean = backbone.normalise(images)
    with processes.autocast():
        with torch.no_grad():
            backbone(clean)
        masked = clean.requires_grad_()
        return torch.autograd.grad(backbone(masked).float().square().mean(), masked)[0]


def _fed(training: AttentionTraining, dataset: ImageDataset, size: int, steps: int) -> float:
    """Images per second of steps on decoded images, as the training stage takes them."""
    device = training.processes.device
    seen, started = 0, 0.0
    for number, batch in enumerate(load_batches(dataset, _batches(dataset, size, steps + 1), WORKERS)):
        if number == 1:
            started, seen = read_clock(device), 0
        training.step(to_unit_range(batch.to(device, non_blocking=True)))
        seen += len(batch)
    return seen / (read_clock(device) - started)


def _loader(dataset: ImageDataset) -> float:
    """Images per second of decoding, resizing and cropping alone."""
    batches = load_batches(dataset, _batches(dataset, 32, LOADED // 32), WORKERS)
    next(batches)  # the workers have started
    started = time.perf_counter()
    seen = sum(len(batch) for batch in batches)
    return seen / (time.perf_counter() - started)


def _batches(dataset: ImageDataset, size: int, count: int) -> list[list[int]]:
    return [[(number * size + index) % len(dataset) for index in range(size)] for number in range(count)]


def _interleaved(
    first: Callable[[], object], second: Callable[[], object], device: torch.device
) -> tuple[float, float]:
    """Median seconds of each, run in turns after one warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, seconds in zip((first, second), times, strict=True):
            started = read_clock(device)
            work()
            seconds.append(read_clock(device) - started)
    return sorted(times[0][1:])[(ROUNDS - 1) // 2], sorted(times[1][1:])[(ROUNDS - 1) // 2]


def _write_images(folder: Path) -> None:
    """Photographs where they are, else rendered images, enlarged."""
    if PHOTOS.exists():
        images = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.iterdir())[:FILES]]
    else:
        images = [Image.fromarray(render(1, index).pixels) for index in range(FILES)]
    for index, image in enumerate(images):
        scale = SHORTER_SIDE / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size, Image.Resampling.BICUBIC).save(folder / f"{index}.jpg", quality=QUALITY)


def _row(what: str, mine: float, other: float, wanted: str) -> Row:
    row = [what, f"{mine:.1f}", f"{other:.1f}", f"{mine / other:.2f}", wanted]
    print(*row, sep=" | ", file=sys.stderr, flush=True)
    return row
