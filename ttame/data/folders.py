"""Files of a folder and what they are called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ttame.errors import TTameError


def exists(path: Path) -> bool:
    """As the method of `Path`, which raises on a name that is too long."""
    return os.path.exists(path)  # noqa: PTH110


def real_path(path: Path) -> str:
    """The file at the end of all links, with one look at the file itself once its folder is known."""
    real = os.path.join(_real_folder(str(path.parent)), path.name)  # noqa: PTH118
    return os.path.realpath(real) if os.path.islink(real) else os.path.normpath(real)  # noqa: PTH114


@lru_cache(maxsize=4096)
def _real_folder(path: str) -> str:
    return os.path.realpath(path)


def files_below(root: Path) -> Iterator[str]:
    """Names of all files below a folder; a folder to which several links lead is walked once.

    Raises:
        TTameError: naming a folder that cannot be listed.
    """

    def refuse(error: OSError) -> None:
        raise TTameError(f"{error.filename}: cannot be listed ({error.strerror}); mend it, or take it out of {root}")

    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        folders.sort()
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(folder, file).relative_to(root).as_posix() for file in files)


def is_of_the_system(name: str) -> bool:
    """Whether a file is hidden, or one that a file manager leaves."""
    file = Path(name).name
    return file.startswith(".") or file.lower() in {"thumbs.db", "desktop.ini"}


def fits_a_list(name: str) -> bool:
    """Whether a list of one name a line gives this name back."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return name == name.strip() and not {"\n", "\r"} & set(name)
