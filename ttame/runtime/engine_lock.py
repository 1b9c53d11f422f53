"""One run of Snakemake at a time in a folder, by a lock that the system frees with its process, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TextIO

from ttame.errors import TTameError

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
    except OSError:  # a network file system without locks
        file.close()
        return
    file.truncate(0)
    file.write(f"process {os.getpid()}: {command}\n")
    file.flush()
    _held.append(file)
