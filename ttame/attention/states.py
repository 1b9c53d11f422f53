"""Reading the state of a training that was stopped or killed."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from lightning_fabric import Fabric

from ttame.store.artifacts import reading


def read_state(path: Path, processes: Fabric) -> dict[str, Any] | None:
    """What a training wrote there; None where there is none.

    A broken one is set aside and said, since the training then starts again.
    """
    if not path.exists():
        return None
    try:
        # Whole and on the CPU, so that no error of the disk, nor want of memory, can pass for a broken file.
        with reading(path):
            content = io.BytesIO(path.read_bytes())
        state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError, BadZipFile) as error:
        if isinstance(error, RuntimeError) and "memory" in str(error).lower():
            raise
        _set_aside(path, processes, error)
        return None
    return state


def _set_aside(path: Path, processes: Fabric, error: Exception) -> None:
    processes.barrier()  # every process has read it
    if processes.is_global_zero:
        path.replace(path.with_name(f"{path.name}.broken"))
        reason = " ".join(str(error).split())[:120]
        print(f"warning: {path}: broken ({reason}); set aside as {path.name}.broken, trained anew", file=sys.stderr)
