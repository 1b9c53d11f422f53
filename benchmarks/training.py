"""Training on the paper's classifiers: a step against the bare passes in it, and the loader beside it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from benchmarks.photographs import PHOTOS, photos_settings
from ttame.attention.checkpoint import make_network
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.dataset import ImageDataset, in_order, load_batches
from ttame.data.shapes import render
from ttame.data.sources import FolderSource
from ttame.device import device_name, peak_memory_bytes
from ttame.processes import open_processes
from ttame.settings import ModelSettings

BACKBONES = ("vgg16", "resnet50", "vit_b_16")
BATCH = {"cpu": 8, "cuda": 32}
ROUNDS = 4
LOADED, WORKERS = 256, 2
Row = list[str]


def rows() -> list[Row]:
    """Images per second of a step, of the passes in it, their ratio and its bound; the same for the loader."""
    found = []
    for name in BACKBONES:
        found += _backbone(name)
    return found


def _backbone(name: str) -> list[Row]:
    settings = photos_settings()
    attention = settings.attention["ttame"]
    processes = open_processes(settings.execution, "auto")
    device = processes.device
    torch.manual_seed(0)
    backbone = load_backbone(name, ModelSettings(name, "none", "auto", "auto")).to(device)
    network = make_network(backbone, "ttame", backbone.layers).to(device).train()
    layers, loss, recipe = backbone.layers, attention.loss, attention.recipe
    training = AttentionTraining(backbone, network, layers, loss, recipe, 1e-9, 1000, processes=processes)
    batch = BATCH[device.type]
    images = torch.rand(batch, 3, 224, 224, device=device).contiguous(memory_format=torch.channels_last)

    def bare() -> Tensor:
        """The clean pass, the masked pass, and the gradient back to the image."""
        clean = backbone.normalise(images)
        with processes.autocast():
            with torch.no_grad():
                backbone(clean)
            masked = clean.requires_grad_()
            return torch.autograd.grad(backbone(masked).float().square().mean(), masked)[0]

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    step, floor = _interleaved(lambda: training.step(images), bare)
    where = f"{name}, batch {batch}, {device_name(device)}"
    found = [_row(f"training step against its bare passes, {where}", batch / step, batch / floor, "at least 0.8")]
    if device.type == "cuda":  # elsewhere it is that of the whole process, all classifiers so far included
        memory = peak_memory_bytes(device) / 2**30
        found.append([f"peak memory of a step, GiB, {where}", f"{memory:.2f}", "", "", "below 8 for vit_b_16"])
    loader = f"loader with {WORKERS} workers against the step, {name}"
    return [*found, _row(loader, _loader(backbone), batch / step, "at least 1")]


def _row(what: str, mine: float, other: float, wanted: str) -> Row:
    row = [what, f"{mine:.1f}", f"{other:.1f}", f"{mine / other:.2f}", wanted]
    print(*row, sep=" | ", file=sys.stderr, flush=True)
    return row


def _interleaved(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of each, run in turns after one warm-up."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for work, seconds in zip((first, second), times, strict=True):
            _finish()
            started = time.perf_counter()
            work()
            _finish()
            seconds.append(time.perf_counter() - started)
    return sorted(times[0][1:])[(ROUNDS - 1) // 2], sorted(times[1][1:])[(ROUNDS - 1) // 2]


def _loader(backbone: Backbone) -> float:
    """Images per second of decoding, resizing and cropping alone: photographs, else rendered JPEGs."""
    with tempfile.TemporaryDirectory() as folder:
        root = PHOTOS if PHOTOS.exists() else _rendered(Path(folder))
        names = sorted(path.name for path in root.iterdir())
        listed = (names * (LOADED // len(names) + 1))[:LOADED]
        dataset = ImageDataset(FolderSource(root), listed, backbone.preprocessing, augmentation_seed=1)
        batches = load_batches(dataset, in_order(LOADED, 32), WORKERS)
        next(batches)  # the workers have started
        started = time.perf_counter()
        seen = sum(len(batch) for batch in batches)
        return seen / (time.perf_counter() - started)


def _rendered(folder: Path) -> Path:
    for index in range(32):
        Image.fromarray(render(1, index).pixels).resize((500, 375)).save(folder / f"{index}.jpg")
    return folder


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
