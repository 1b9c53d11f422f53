"""`ttame find-lr BACKBONE METHOD`: the learning-rate range test of a mechanism, its figure, and a suggestion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pandas as pd
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from ttame.attention.rate_range import rate_range_test, suggested_maximum
from ttame.attention.training import AttentionTraining
from ttame.backbones.loading import load_backbone
from ttame.data.dataset import ImageDataset, epoch_order, load_batches
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.params.settings import Settings
from ttame.runtime.device import select_device
from ttame.runtime.processes import one_process
from ttame.runtime.progress import progress
from ttame.stages.train import prepare_training, start, training_images
from ttame.store.artifacts import atomic_path, write_text


@dataclass(frozen=True)
class Request:
    """Which training, and the rates to try."""

    backbone: str
    method: str
    lowest: float
    highest: float
    steps: int


def run(settings: Settings, request: Request) -> str:
    """Write the figure and its numbers to `results/<experiment>/learning_rate/`; the suggestion and where they are.

    Raises:
        TTameError: when the rates are no range, or the loss falls at none of them.
    """
    if not 0 < request.lowest < request.highest < math.inf:
        raise TTameError(
            f"--lowest {request.lowest:g} must be above 0 and below --highest {request.highest:g}, both of them numbers"
        )
    if request.steps < 2:
        raise TTameError(f"--steps: {request.steps} are no range; expected 2 or more")
    device = select_device(settings.execution)
    backbone = load_backbone(request.backbone, settings.models[request.backbone]).to(device)
    precision = settings.attention[request.method].on(request.backbone).recipe.precision
    seed = settings.methods.seeds[0]
    training = prepare_training(settings, backbone, request.method, seed, one_process(device, precision))
    start(settings, training, request.method)
    images = training_images(settings, backbone, request.method, seed)
    batches = itertools.islice(_batches(training, images, settings.execution.workers), request.steps)
    title = f"learning rates {request.backbone} {request.method}"
    with progress(request.steps, title, "steps") as bar:
        found = rate_range_test(training, _counted(batches, bar), request.lowest, request.highest, request.steps)
    target = settings.results / "learning_rate" / request.backbone / f"{request.method}.png"
    write_text(target.with_suffix(".csv"), found.to_csv(index=False, float_format="%.6g"))
    suggestion = suggested_maximum(found)
    _draw(target, found, suggestion, title)
    return (
        f"Suggested maximum: {suggestion:.2g}. See {target}, and set\n"
        f"  attention.{request.method}.learning_rate.{request.backbone}: {suggestion:.2g}\nin params.yaml."
    )


def _batches(training: AttentionTraining, images: ImageDataset, workers: int) -> Iterator[Tensor]:
    """Batches of one epoch after the other, without end."""
    for epoch in itertools.count():
        images.epoch = epoch
        order = epoch_order(len(images), training.recipe.batch_size, training.seed, epoch)
        for batch in load_batches(images, order, workers, training.processes.device):
            yield to_unit_range(batch.to(training.processes.device))


def _counted(batches: Iterator[Tensor], bar: tqdm[NoReturn]) -> Iterator[Tensor]:
    for batch in batches:
        yield batch
        bar.update()


def _draw(target: Path, found: pd.DataFrame, suggestion: float, title: str) -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="learning rate", ylabel="loss", title=title)
    axes.plot(found["learning_rate"], found["loss"], color="0.75", label="loss of a step")
    axes.plot(found["learning_rate"], found["smoothed_loss"], label="smoothed")
    axes.axvline(suggestion, linestyle="--", color="black", label=f"suggested maximum {suggestion:.2g}")
    # The loss after it diverged would leave no room for the part that matters.
    axes.set_ylim(top=1.1 * found["smoothed_loss"].iloc[: int(found["smoothed_loss"].argmin()) + 1].max())
    axes.legend()
    with atomic_path(target) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
