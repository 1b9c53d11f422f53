"""A number that tables have of every method: its name, its heading, and which end is the better one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ARROWS = {"higher": "↑", "lower": "↓", None: ""}

SILENT = "silent"
"""Beside the columns of a measure: share of a unit's maps, 0 to 1, that tell it nothing and so count as 0."""


@dataclass(frozen=True)
class Column:
    """A column of a table of methods.

    Attributes:
        key: its name in the comparison and in the CSV.
        title: its heading.
        better: the better end, None for what is no quality.
        decimals: shown.
        scale: what a score is multiplied with to be shown: 100 where it is a fraction, shown in percent. It is the
            highest value of a quality, as it is shown.
        lowest: value of a quality, as it is shown.
    """

    key: str
    title: str
    better: Literal["higher", "lower"] | None
    decimals: int = 1
    scale: float = 100.0
    lowest: float = 0.0

    @property
    def heading(self) -> str:
        """The title, with an arrow to the better end."""
        return f"{self.title} {ARROWS[self.better]}".rstrip()
