"""Which GPUs of this machine a job takes, so that jobs that run beside each other take different ones."""

from __future__ import annotations

import getpass
import os
import sys
import tempfile
from pathlib import Path

import torch
from filelock import BaseFileLock, FileLock, Timeout

CLAIMED = "TTAME_GPUS"
"""Environment variable by which the processes that a job starts know its GPUs."""

_held: list[BaseFileLock] = []


def claim_gpus(count: int) -> list[int]:
    """Indexes of `count` GPUs that no other job has, or of the first ones where so many are not free.

    Snakemake counts GPUs (`--resources gpu=4`) and does not say which of them a job has; PyTorch alone would put all
    jobs on the first. A claim is a lock on a file, which the system drops when the process ends, however it ends. Where
    a scheduler shows a job its own GPUs alone, those are taken.
    """
    inherited = [int(index) for index in os.environ.get(CLAIMED, "").split(",") if index]
    if len(inherited) == count:
        return inherited
    there_are = torch.cuda.device_count()
    claimed: list[int] = []
    if there_are > count:
        for index in range(there_are):
            if len(claimed) < count and _lock(index):
                claimed.append(index)
        if len(claimed) < count:
            print(
                f"warning: {len(claimed)} of {there_are} GPUs are free and {count} wanted, so jobs share the first; "
                f"`snakemake --resources gpu={there_are}` runs no more at a time than there are GPUs",
                file=sys.stderr,
            )
            _give_back()
    if len(claimed) < count:
        claimed = list(range(count))
    os.environ[CLAIMED] = ",".join(str(index) for index in claimed)
    return claimed


def _lock(index: int) -> bool:
    """Whether this process now has the GPU; its name, unlike its index, is the same in every job's view."""
    name = f"ttame-{getpass.getuser()}-gpu-{torch.cuda.get_device_properties(index).uuid}.lock"
    lock = FileLock(Path(tempfile.gettempdir(), name))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    _held.append(lock)
    return True


def _give_back() -> None:
    while _held:
        _held.pop().release()
