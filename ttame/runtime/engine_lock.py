"""One run of an engine at a time in a folder, by a lock that the system frees with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

from ttame.errors import TTameError
from ttame.runtime.stopping import ENGINE

LOCK = Path(".scratch/engine.lock")

_held: list[TextIO] = []


def hold(command: str) -> None:
    """Take the lock for as long as this process lives.

    Raises:
        TTameError: when another process has it, with its number and its command.
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


def hold_for_dvc() -> None:
    """Take the lock in a stage that DVC runs, unless its run of Snakemake has it.

    Raises:
        TTameError: as `hold` does.
    """
    if "DVC_STAGE" in os.environ and ENGINE not in os.environ:
        hold("dvc repro")
        os.environ[ENGINE] = str(os.getppid())  # for processes that this one starts: the lock is theirs too
