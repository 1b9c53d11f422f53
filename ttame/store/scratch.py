"""Work in progress that survives a kill: finished pieces of one artifact, in a folder that is no output of the DAG."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ttame.store.artifacts import atomic_path, reading

ROOT = Path(".scratch")


@cache
def _code_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Scratch:
    """Numbered pieces of the artifact `target`.

    Pieces are found again only for the same `identity`: what decides the result (settings, digests of the inputs) and
    the code itself. A change of either starts from nothing rather than mixing two computations.
    """

    def __init__(self, target: Path, identity: Mapping[str, Any]) -> None:
        text = json.dumps([str(target), _code_digest(), identity], sort_keys=True, default=str)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._artifact_folder = ROOT / target
        self.folder = self._artifact_folder / key

    def path(self, name: str) -> Path:
        """A file of the caller's own among the pieces."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def load(self, piece: int) -> dict[str, Tensor] | None:
        """The tensors of a piece, or None when it was never finished."""
        path = self.folder / f"{piece:06d}.safetensors"
        try:
            with reading(path):
                return load_file(path) if path.exists() else None
        except SafetensorError:
            return None

    def save(self, piece: int, tensors: Mapping[str, Tensor]) -> None:
        """Record a finished piece."""
        with atomic_path(self.folder / f"{piece:06d}.safetensors") as temporary:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)

    def clear(self) -> None:
        """Forget all pieces of this artifact, once it is written."""
        with suppress(OSError):  # of calls whose errors `ignore_errors` does not cover
            shutil.rmtree(self._artifact_folder, ignore_errors=True)
