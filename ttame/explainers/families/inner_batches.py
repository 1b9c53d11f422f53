"""Batches within the work on one image, which shrink when memory runs out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ttame.errors import TTameError, is_lack_of_memory

LARGEST = {"cpu": 32, "cuda": 128}
"""Perturbed images a forward pass, by device."""
LARGEST_WITH_GRADIENT = {"cpu": 8, "cuda": 32}
"""The same where a backward pass follows: what that keeps of an image is 4 to 12 times as much."""


@dataclass
class Rehearsal:
    """What a call would have cost beyond what it did: only the first two slices of inner work run."""

    seconds: float = 0.0
    passes: int = 0


_rehearsal: Rehearsal | None = None


@contextmanager
def rehearsed() -> Iterator[Rehearsal]:
    """Leave the inner work out but for two slices, to estimate the cost of a map; the maps are of no use."""
    global _rehearsal  # noqa: PLW0603, explainers make their inner batches themselves
    _rehearsal = Rehearsal()
    try:
        yield _rehearsal
    finally:
        _rehearsal = None


class InnerBatches:
    """Runs work slice by slice and remembers the size that fitted. The size changes no result beyond rounding."""

    def __init__(self, device: torch.device, largest: Mapping[str, int] = LARGEST) -> None:
        self.size = largest.get(device.type, largest["cpu"])

    def run(self, count: int, work: Callable[[int, int], None]) -> None:
        """`work(start, stop)` over `range(count)`; it must store its results at its very end.

        When a slice runs out of memory the size is halved, for good, with a line on standard error.

        Raises:
            TTameError: when a single item does not fit.
        """
        start = 0
        while start < count:
            if _rehearsal is not None and start >= self.size:
                self._rehearse(_rehearsal, start, count, work)
                return
            stop = min(start + self.size, count)
            try:
                work(start, stop)
            except RuntimeError as error:
                if not is_lack_of_memory(error):
                    raise
                self._halve()
            else:
                start = stop

    def _rehearse(self, rehearsal: Rehearsal, start: int, count: int, work: Callable[[int, int], None]) -> None:
        """Time the second slice, the first having warmed up, and note what those after it would take."""
        stop = min(start + self.size, count)
        started = time.perf_counter()
        work(start, stop)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        rehearsal.seconds += (time.perf_counter() - started) * (count - stop) / (stop - start)
        rehearsal.passes += count - stop

    def _halve(self) -> None:
        if self.size == 1:
            raise TTameError(
                "out of memory with a single perturbed image beside the batch that is explained; lower "
                "execution.batch_size in params.yaml, or use a method with one pass, such as gradcam or ttame, or a "
                "device with more memory"
            )
        self.size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        print(f"out of memory; going on with inner batches of {self.size}", file=sys.stderr)
