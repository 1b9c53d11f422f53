"""Seconds, passes and memory of a few calls of a classifier, measured for the plan."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ttame.backbones.backbone import PassCount
from ttame.cli.costs import Cost
from ttame.cli.live_memory import peak_bytes
from ttame.runtime.device import read_clock


class MeasuredCalls:
    """Measures what works on one classifier.

    Args:
        passes: the classifier's own count of them.
        device: where it computes.
    """

    def __init__(self, passes: PassCount, device: torch.device) -> None:
        self._passes = passes
        self._device = device

    def cost(self, work: Callable[[int], object], images: int) -> Cost:
        """Seconds and passes an image of the second call with so many, memory by the first and one with one image."""
        one = peak_bytes(lambda: work(1), self._device)
        all_of_them = peak_bytes(lambda: work(images), self._device)
        each = max(0.0, (all_of_them - one) / (images - 1)) if images > 1 else float(one)
        seconds, forward, backward = self._timed(lambda: work(images))
        return Cost(seconds / images, forward / images, backward / images, fixed=max(0.0, one - each), each=each)

    def first(self, work: Callable[[], object]) -> Cost:
        """Of one image, in a call that may be too long to be made twice."""
        found = []
        peak = peak_bytes(lambda: found.append(self._timed(work)), self._device)
        return Cost(*found[0], fixed=float(peak))

    def _timed(self, work: Callable[[], object]) -> tuple[float, int, int]:
        """Seconds, forward and backward passes."""
        self._passes.forward = self._passes.backward = 0
        started = read_clock(self._device)
        work()
        return read_clock(self._device) - started, self._passes.forward, self._passes.backward
