"""One run of an engine at a time in a folder, by locks that the system frees with their processes, however they end.

An engine has one of its own. Its jobs share another, which outlives an engine that is killed while they save.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ttame.errors import TTameError
from ttame.runtime.stopping import ENGINE, SECONDS_TO_SAVE

LOCK = Path(".scratch/engine.lock")
JOBS = Path(".scratch/jobs.lock")

_held: list[TextIO] = []


def hold(command: str) -> None:
    """Take the lock for as long as this process lives, once the jobs of a run that was killed have ended.

    Raises:
        TTameError: when another process has it, with its number and its command, or jobs do not end.
    """
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    file = LOCK.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise TTameError(f"another run is at work in this folder ({holder}); wait for its end, or stop it") from None
    except OSError as error:  # a network file system without locks
        file.close()
        print(f"warning: {LOCK}: {error.strerror}, so no second run is told of this one", file=sys.stderr)
        return
    file.truncate(0)
    file.write(f"process {os.getpid()}: {command}\n")
    file.flush()
    _held.append(file)
    _wait_for_jobs(SECONDS_TO_SAVE + 30)


def hold_as_job() -> None:
    """Share the lock of the jobs in one that Snakemake started, for as long as this process lives."""
    if ENGINE in os.environ:
        JOBS.parent.mkdir(parents=True, exist_ok=True)
        file = JOBS.open("a", encoding="utf-8")
        _held.append(file)
        with suppress(OSError):  # a network file system without locks, as the engine has said
            fcntl.flock(file, fcntl.LOCK_SH)


def hold_for_dvc() -> None:
    """Take the lock in a stage that DVC runs, unless its run of Snakemake has it.

    Raises:
        TTameError: as `hold` does.
    """
    if "DVC_STAGE" in os.environ and ENGINE not in os.environ:
        hold("dvc repro")
        os.environ[ENGINE] = str(os.getppid())  # for processes that this one starts: the lock is theirs too


def _wait_for_jobs(seconds: float) -> None:
    """Return when nobody has the lock of the jobs; they end by themselves once their engine has."""
    until, said = time.monotonic() + seconds, False
    with JOBS.open("a", encoding="utf-8") as file:
        while not _is_free(file):
            if time.monotonic() > until:
                raise TTameError("jobs of a run that was killed do not end; look for them with `ps`, and end them")
            if not said:
                print("waiting for jobs of a run that was killed: they save what they did", file=sys.stderr)
            said = True
            time.sleep(0.2)


def _is_free(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # but for one that is taken, there are no locks here
        return not isinstance(error, BlockingIOError)
    return True
