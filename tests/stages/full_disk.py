"""Run every stage on a disk that fills up at several places, then on one that is read-only; print what came of it.

    unshare --mount --map-root-user python -m tests.stages.full_disk FOLDER

A small file system in memory is mounted at the folder, for this process alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .faulty_disk import STAGES, attempt, enter_experiment, files, wrong

FILLER = Path("filler")
WELL = "well"
PLACES = (0.0, 0.4, 0.8)
"""Of the space that a stage needs."""


def _mount(*options: str) -> None:
    subprocess.run(["mount", *options], check=True)


def _free() -> int:
    found = os.statvfs(".")
    return found.f_bavail * found.f_frsize


@contextmanager
def _full(space: int) -> Iterator[None]:
    """The disk has so many bytes left."""
    with FILLER.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, _free() - space)
    yield
    FILLER.unlink()


@contextmanager
def _read_only() -> Iterator[None]:
    _mount("-o", "remount,ro", str(Path.cwd()))
    yield
    _mount("-o", "remount,rw", str(Path.cwd()))


def _fail(stage: str) -> Iterator[str]:
    """A line for every place at which the disk was full, and one for the read-only disk."""
    before, free = files(), _free()
    assert attempt(stage)[0] == 0, stage
    whole, needed = files(), free - _free()
    made = [path for path in whole if path not in before]
    for place in (*PLACES, None):
        for path in made:
            path.unlink(missing_ok=True)
        with _full(int(place * needed)) if place is not None else _read_only():
            code, lines = attempt(stage)
            found = list(wrong(code, lines, files(), before, whole))
        expected = "no space left" if place is not None else "Read-only file system"
        if not all(expected in line for line in lines):
            found.append("not what the disk said")
        if attempt(stage)[0] or files() != whole:
            found.append("the same command does not go on")
        where = "read-only" if place is None else f"full after {place * needed:.0f} bytes"
        yield f"{stage}, {where}: {', '.join(found) or WELL}: {lines}"


def _main(folder: str) -> None:
    _mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", folder)
    enter_experiment(folder)
    for stage in STAGES:
        for line in _fail(stage):
            print(line, flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
