"""Fail every system call of every stage in turn, and print what goes wrong.

    LD_PRELOAD=failing_calls.so python -m tests.stages.every_call FOLDER [STAGE ...]

One call fails, as a disk does that is full or broken; or all do from one on, as a network folder that is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from .faulty_disk import STAGES, attempt, enter_experiment, files, wrong

ERRORS = (errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EROFS, errno.EACCES)

LIBRARY = ctypes.CDLL(None)
FAILED = ("failing_name", "failing_path")


def _set(name: str, value: int) -> None:
    ctypes.c_long.in_dll(LIBRARY, name).value = value


@contextlib.contextmanager
def failing(at: int, lost: bool) -> Iterator[int]:
    """Fail call number `at`, or all calls from there on, with the error that is yielded."""
    error = errno.ESTALE if lost else ERRORS[at % len(ERRORS)]
    _set("failing_error", error)
    _set("failing_count", 0)
    _set("failing_from", at)
    _set("failing_to", sys.maxsize if lost else at)
    try:
        yield error
    finally:
        _set("failing_to", 0)


def _fail_every_call(stage: str) -> Iterator[str]:
    """What goes wrong, and at last how many calls there were."""
    before = files()
    code, lines = attempt(stage)
    assert code == 0, lines
    whole = files()
    made = [path for path in whole if path not in before]
    for at, lost in ((number, lost) for number in itertools.count(1) for lost in (False, True)):
        # A lost folder keeps temporary files for a day, and each would be a call more.
        for path in (*made, *Path().rglob("*.tmp")):
            path.unlink(missing_ok=True)
        with failing(at, lost) as error:
            code, lines = attempt(stage)
        if ctypes.c_long.in_dll(LIBRARY, "failing_count").value < at:
            yield f"{stage}: {at - 1} calls"
            return
        left = files()
        found = list(wrong(code, lines, left, before, whole))
        # After every second failure, since it takes as long as all else.
        if left != whole and (found or at % 2 == lost) and (attempt(stage)[0] or files() != whole):
            found.append("the same command does not go on")
        if found:
            call = " ".join((ctypes.c_char * 4096).in_dll(LIBRARY, name).value.decode() for name in FAILED)
            how = "all calls from" if lost else "call"
            yield f"{stage}, {how} {at} ({call}, {errno.errorcode[error]}): {', '.join(found)}: {lines}"


def _main(folder: str, stages: list[str]) -> None:
    enter_experiment(folder)
    for stage in STAGES:
        if not stages or stage.split()[0] in stages:
            for line in _fail_every_call(stage):
                print(line, flush=True)
        else:
            assert attempt(stage)[0] == 0, stage


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
