"""What one image costs a classifier: measured when a plan asks for it, or told by the file of another plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ttame.errors import NotDefined, TTameError

if TYPE_CHECKING:
    from ttame.cli.calibration import Calibration


@dataclass(frozen=True)
class Cost:
    """Of one image: seconds, passes of the classifier, bytes of what is kept; and memory of the batch that it is in.

    Attributes:
        seconds: on one device.
        forward, backward: passes of the classifier.
        bytes: that stay on the disk.
        fixed, each: bytes of the device's memory, however many images a batch has, and for each of them.
    """

    seconds: float
    forward: float = 0.0
    backward: float = 0.0
    bytes: float = 0.0
    fixed: float = 0.0
    each: float = 0.0

    def plus(self, other: Cost, share: float) -> Cost:
        """With a share of another cost on top; what is kept aside, and the memory of whichever takes more."""
        return Cost(
            self.seconds + share * other.seconds,
            self.forward + share * other.forward,
            self.backward + share * other.backward,
            self.bytes,
            max(self.fixed, other.fixed),
            max(self.each, other.each),
        )

    def memory(self, batch: float) -> float:
        """Bytes at the peak with so many images in a batch."""
        return self.fixed + batch * self.each


Known = dict[str, Cost | None]
"""Costs of a classifier by what is done, such as `map rise`; None where it is not defined."""


class Costs:
    """The costs on one backbone.

    Args:
        backbone: its name.
        known: what a file tells.
        measure: makes the measurements of what is not known; without it, the file has to know.
    """

    def __init__(
        self, backbone: str, known: Known | None = None, measure: Callable[[], Calibration] | None = None
    ) -> None:
        self.backbone = backbone
        self.known: Known = dict(known or {})
        self._measure = measure

    @property
    def process(self) -> Cost:
        """A process that has loaded its libraries and the classifier, before its first image."""
        return self._of("process", lambda calibration: calibration.process)

    @property
    def forward(self) -> Cost:
        """The classifier alone."""
        return self._of("forward", lambda calibration: calibration.forward)

    @property
    def fill(self) -> Cost:
        """One fill of ROAD."""
        return self._of("fill", lambda calibration: calibration.fill)

    @property
    def judge(self) -> Cost:
        """A step of training a copy of the classifier itself."""
        return self._of("judge", lambda calibration: calibration.judge)

    def training(self, method: str) -> Cost:
        """A step of training: both passes and the optimiser."""
        return self._of(f"train {method}", lambda calibration: calibration.training(method))

    def start(self, method: str) -> Cost:
        """An image from which a warm start is computed."""
        return self._of(f"start {method}", lambda calibration: calibration.start(method))

    def map(self, method: str) -> Cost:
        """One map.

        Raises:
            NotDefined: when the method is not defined on this classifier.
        """
        return self._of(f"map {method}", lambda calibration: calibration.map(method))

    def _of(self, what: str, measure: Callable[[Calibration], Cost]) -> Cost:
        if what not in self.known:
            if self._measure is None:
                raise TTameError(
                    f"--costs: nothing of {what!r} on {self.backbone}; name the plan of an experiment that has it, or "
                    "leave --costs out to measure it here"
                )
            try:
                self.known[what] = measure(self._calibration)
            except NotDefined:
                self.known[what] = None
        found = self.known[what]
        if found is None:
            raise NotDefined(f"{what} is not defined on {self.backbone}")
        return found

    @cached_property
    def _calibration(self) -> Calibration:
        assert self._measure is not None
        return self._measure()
