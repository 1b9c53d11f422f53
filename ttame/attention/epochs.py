"""The epochs of a training: order of the images, validation, and states to go on from."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor

from ttame.attention.history import Averages
from ttame.attention.training import AttentionTraining
from ttame.data.dataset import ImageDataset, epoch_order, in_order, load_batches
from ttame.data.transforms import to_unit_range
from ttame.errors import Stopped, TTameError
from ttame.params.attention import RecipeSettings
from ttame.runtime.progress import progress
from ttame.runtime.stopping import ASKING


def steps_of_epoch(images: int, recipe: RecipeSettings) -> int:
    """Steps of the optimiser in one epoch; images that fill no step are left out."""
    return images // (recipe.batch_size * recipe.accumulate)


def refuse_too_few(images: int, recipe: RecipeSettings, method: str, source: str) -> None:
    """Check that a training list fills a step.

    Args:
        images: of the list.
        recipe: of the method.
        method: whose recipe it is, for the error.
        source: of the list, for the error.

    Raises:
        TTameError: when it does not.
    """
    if steps_of_epoch(images, recipe) == 0:
        raise TTameError(
            f"{source}: {images} images do not fill a step of {recipe.batch_size * recipe.accumulate}; lower "
            f"attention.{method}.recipe.batch_size or accumulate, or raise data.counts.train"
        )


def pixels_of(training: AttentionTraining, batch: Tensor) -> Tensor:
    """(b, 3, H, W) uint8 as images in [0, 1], where and in the precision in which the classifier computes."""
    like = next(training.backbone.parameters())
    return to_unit_range(batch.to(like.device, non_blocking=True), like.dtype)


def train(
    training: AttentionTraining,
    images: ImageDataset,
    validation: ImageDataset | None,
    workers: int,
    state_file: Path | None,
    minutes_between_states: float = math.inf,
) -> None:
    """Run the epochs that are left, writing `state_file` after each, every so many minutes, and on a signal to stop.

    Every epoch's order and crops depend on (seed, epoch) alone, so a killed run that goes on from its last state ends
    with the weights of an unbroken one. Without a file for the state nothing is written and signals do what they do
    elsewhere; without validation images the history has no columns of them.

    Raises:
        Stopped: on SIGINT, SIGTERM and SIGHUP, once the state is saved.
        TTameError: when the loss is no longer finite.
    """

    def save() -> None:
        if state_file is not None:
            training.save(state_file)

    if state_file is not None:
        training.resume(state_file)
    recipe = training.recipe
    with _stop_request() if state_file is not None else nullcontext([0]) as stop:
        for epoch in range(training.epoch, recipe.epochs):
            started, seen = time.monotonic(), training.averages.images
            _run_epoch(training, images, workers, save, minutes_between_states, stop)
            seconds = time.monotonic() - started
            save()  # validation may be long
            row: dict[str, float] = {
                "epoch": epoch + 1,
                "learning_rate": float(training.schedule.get_last_lr()[-1]),
                **training.averages.row("train"),
                **(validate(training, validation, workers) if validation is not None else {}),
            }
            # Where the last state was saved before validation, there was no step here to measure.
            done = training.averages.images - seen
            row["images_per_second"] = done / seconds if done else math.nan
            training.history.append(row)
            training.epoch, training.batches, training.averages = epoch + 1, 0, Averages()
            save()


def _run_epoch(
    training: AttentionTraining,
    images: ImageDataset,
    workers: int,
    save: Callable[[], None],
    minutes: float,
    stop: list[int],
) -> None:
    """The batches of the current epoch that are left."""
    recipe, processes = training.recipe, training.processes
    images.epoch = training.epoch
    order = epoch_order(len(images), recipe.batch_size, training.seed, training.epoch)
    order = order[: steps_of_epoch(len(images), recipe) * recipe.accumulate]
    parts = [part_of_process(batch, processes.global_rank, processes.world_size) for batch in order[training.batches :]]
    training.network.train()
    title = f"train {training.backbone.name}, epoch {training.epoch + 1}/{recipe.epochs}"
    saved = time.monotonic()
    with progress(len(order) * recipe.batch_size, title, "images", shown=processes.is_global_zero) as bar:
        bar.update(training.batches * recipe.batch_size)
        for part, batch in zip(parts, load_batches(images, parts, workers, processes.device), strict=True):
            names = [images.names[index] for index in part]
            training.averages.add(training.step(pixels_of(training, batch), names))
            bar.update(recipe.batch_size)
            if training.batches % recipe.accumulate:
                continue
            if training.any_process(bool(stop[0])):
                save()
                raise Stopped(
                    f"stopped in epoch {training.epoch + 1} after {training.batches} of {len(order)} batches; what is "
                    "finished is kept, run the same command to go on",
                    stop[0] or signal.SIGTERM,  # another process of this training was told
                )
            if training.any_process(time.monotonic() - saved > 60 * minutes):
                save()
                saved = time.monotonic()


def part_of_process(batch: list[int], rank: int, processes: int) -> list[int]:
    """The images of a batch that one of so many processes has; the parts in order are the batch."""
    size = len(batch) // processes
    return batch[rank * size : (rank + 1) * size]


@torch.no_grad()
def validate(training: AttentionTraining, validation: ImageDataset, workers: int) -> dict[str, float]:
    """Loss terms and accuracy on the *masked* validation images; the published code scored the clean ones.

    Every process scores them all, so that the figures do not depend on how many there are.
    """
    training.network.eval()
    averages = Averages()
    batches = in_order(len(validation), training.recipe.batch_size)
    for batch in load_batches(validation, batches, workers, training.processes.device):
        averages.add(training.evaluate(pixels_of(training, batch), together=False))
    return averages.row("validation")


@contextmanager
def _stop_request() -> Iterator[list[int]]:
    """The first signal that asked to stop, else 0; a second Ctrl-C interrupts.

    What ignores a signal, as `nohup` makes it, goes on ignoring it.
    """
    requested = [0]

    def note(number: int, _: FrameType | None) -> None:
        if requested[0] and number == signal.SIGINT:
            raise KeyboardInterrupt
        requested[0] = requested[0] or number

    before = {number: signal.getsignal(number) for number in ASKING if signal.getsignal(number) != signal.SIG_IGN}
    for number in before:
        signal.signal(number, note)
    try:
        yield requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
