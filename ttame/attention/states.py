"""Reading the state of a training that was stopped or killed."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric import Fabric

from ttame.errors import TTameError, is_lack_of_memory, reason_of
from ttame.runtime.processes import read_by_first, together
from ttame.store.artifacts import reading

OF_THE_CONTENT = (
    "Error(s) in loading state_dict",
    "PytorchStreamReader",
    "[enforce fail at inline_container",
    "Expected hasRecord(",
    "Cannot use ``weights_only=True``",
)
"""How torch's RuntimeErrors begin that are of what a file holds; all others are of the machine."""


def read_state(path: Path, processes: Fabric) -> dict[str, Any] | None:
    """What a training wrote there; None where there is none. All processes have the same, or fail together.

    A broken one is set aside and said, since the training then starts again.

    Raises:
        TTameError: when it cannot be read, is no state, a device failed, or another process could not load it.
    """
    # The bytes that one has read, whatever the others see of the file.
    content = read_by_first(processes, lambda: _read_whole(path))
    if content is None:
        return None
    with together(processes):
        return _load(path, content)


@contextmanager
def blaming_the_state(path: Path, what_it_is: str) -> Iterator[None]:
    """Tell a state that does not fit, which the user may delete, from a device that failed while a good one was read.

    Raises:
        TTameError: with the advice to delete the file only where its content is wrong.
    """
    try:
        yield
    except (RuntimeError, KeyError, TypeError, AttributeError, ValueError, EOFError, UnpicklingError) as error:
        if is_lack_of_memory(error):
            raise
        reason = reason_of(error, most=120)
        if isinstance(error, RuntimeError) and not str(error).startswith(OF_THE_CONTENT):
            raise TTameError(
                f"{path}: the state could not be read ({reason}), which need not be its fault; run the same command "
                "again before you set it aside"
            ) from error
        raise TTameError(f"{path}: {what_it_is} ({reason}); delete it to train anew") from None


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
    except (BadZipFile, EOFError, ValueError, RuntimeError, zlib.error, struct.error) as error:
        if is_lack_of_memory(error):
            raise
        reason = reason_of(error, most=120)
    if not reason:
        return content
    path.replace(path.with_name(f"{path.name}.broken"))
    print(f"warning: {path}: broken ({reason}); set aside as {path.name}.broken, trained anew", file=sys.stderr)
    return None


def _load(path: Path, content: bytes) -> dict[str, Any]:
    with blaming_the_state(path, "not the state of a training"):
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return state
