"""Progress of long work on standard error: how many, how fast, how long still."""

from __future__ import annotations

import sys
from typing import NoReturn

from tqdm import tqdm


def progress(total: int, description: str, unit: str, *, shown: bool = True) -> tqdm[NoReturn]:
    """A bar that shows rate and time left; in a log it is a line every ten seconds, and none for shorter work."""
    interactive = sys.stderr.isatty()
    return tqdm(
        total=total,
        disable=not shown,
        desc=description,
        unit=f" {unit}",
        file=sys.stderr,
        mininterval=0.5 if interactive else 10.0,
        maxinterval=10.0,
        delay=0.0 if interactive else 10.0,
        dynamic_ncols=interactive,
        ascii=not interactive,
    )
