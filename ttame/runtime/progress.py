"""Progress of long work on standard error: how many, how fast, how long still."""

from __future__ import annotations

import io
import sys
from typing import NoReturn

from tqdm import tqdm


class _Lines(io.TextIOBase):
    """Standard error that is no terminal: what would overwrite a line there is a line of its own, once."""

    last = ""

    def write(self, text: str) -> int:
        line = text.strip("\r\n ")
        if line and line != self.last:
            sys.stderr.write(f"{line}\n")
            self.last = line
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(total: int, description: str, unit: str, *, shown: bool = True) -> tqdm[NoReturn]:
    """A bar that shows rate and time left; in a log it is a line every ten seconds, and none for shorter work."""
    interactive = sys.stderr.isatty()
    return tqdm(
        total=total,
        disable=not shown,
        desc=description,
        unit=f" {unit}",
        file=sys.stderr if interactive else _Lines(),
        mininterval=0.5 if interactive else 10.0,
        maxinterval=10.0,
        delay=0.0 if interactive else 10.0,
        dynamic_ncols=interactive,
        ascii=not interactive,
    )
