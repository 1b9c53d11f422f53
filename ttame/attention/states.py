"""Reading the state of a training that was stopped or killed."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric import Fabric

from ttame.errors import TTameError
from ttame.runtime.processes import read_by_first, together
from ttame.store.artifacts import reading


def read_state(path: Path, processes: Fabric) -> dict[str, Any] | None:
    """What a training wrote there; None where there is none. All processes have the same, or fail together.

    A broken one is set aside and said, since the training then starts again.

    Raises:
        TTameError: when it cannot be read, is whole but no state, or another process could not load it.
    """
    # The bytes that one has read, whatever the others see of the file.
    content = read_by_first(processes, lambda: _read_whole(path))
    if content is None:
        return None
    with together(processes):
        return _load(path, content)


def is_lack_of_memory(error: Exception) -> bool:
    """Torch says of the CPU's in a plain RuntimeError that there was none left."""
    return isinstance(error, RuntimeError) and "memory" in str(error).lower()


def _read_whole(path: Path) -> bytes | None:
    """A file with nothing missing, which its own checksums tell: no error of loading can pass for a broken file."""
    if not path.exists():
        return None
    with reading(path):
        content = path.read_bytes()
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            damaged = archive.testzip()
        reason = f"{damaged} is damaged" if damaged is not None else ""
    except (BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:120]
    if not reason:
        return content
    path.replace(path.with_name(f"{path.name}.broken"))
    print(f"warning: {path}: broken ({reason}); set aside as {path.name}.broken, trained anew", file=sys.stderr)
    return None


def _load(path: Path, content: bytes) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        if is_lack_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:120]
        raise TTameError(f"{path}: not the state of a training ({reason}); delete it to train anew") from None
    return state
