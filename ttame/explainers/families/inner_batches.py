"""Batches within the work on one image, which shrink when memory runs out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch

from ttame.errors import TTameError

LARGEST = {"cpu": 32, "cuda": 128}
"""Perturbed images a forward pass, by device."""


class InnerBatches:
    """Runs work slice by slice and remembers the size that fitted. The size changes no result beyond rounding."""

    def __init__(self, device: torch.device) -> None:
        self.size = LARGEST.get(device.type, 32)

    def run(self, count: int, work: Callable[[int, int], None]) -> None:
        """`work(start, stop)` over `range(count)`; it must store its results at its very end.

        When a slice runs out of memory the size is halved, for good, with a line on standard error.

        Raises:
            TTameError: when a single item does not fit.
        """
        start = 0
        while start < count:
            stop = min(start + self.size, count)
            try:
                work(start, stop)
            except RuntimeError as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve()
            else:
                start = stop

    def _halve(self) -> None:
        if self.size == 1:
            raise TTameError("out of memory with a single perturbed image; lower execution.batch_size in params.yaml")
        self.size //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        print(f"out of memory; going on with inner batches of {self.size}", file=sys.stderr)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
