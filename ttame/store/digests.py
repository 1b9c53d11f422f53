"""Digests of what files hold."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from ttame.store.artifacts import reading

IN_A_FOLDER = (".json", ".safetensors")
"""Endings of the files that a model's folder is read from."""


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; of a name that none can have there is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(path: Path) -> str:
    """SHA-256 of a file, or of what a model's folder is read from, names and all.

    An engine asks for every job, so a file is read once as long as its size and times stay.
    """
    if not path.is_dir():
        return _digest_once(path)
    files = sorted(file for file in path.iterdir() if file.suffix in IN_A_FOLDER and file.is_file())
    return hashlib.sha256(json.dumps([[file.name, _digest_once(file)] for file in files]).encode()).hexdigest()


def _digest_once(path: Path) -> str:
    with reading(path):
        found = path.stat()
    return _digest_of_state(path.absolute(), found.st_ino, found.st_size, found.st_mtime_ns)


@lru_cache(1024)
def _digest_of_state(path: Path, *_: int) -> str:
    return file_digest(path)
