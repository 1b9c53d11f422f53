"""Files that are either complete or absent: written to a temporary name beside the target, then renamed."""

from __future__ import annotations

import errno
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ttame.errors import TTameError

FULL = 64 * 1024
"""A disk with fewer free bytes is full."""

_HOST = re.sub(r"[^A-Za-z0-9-]", "_", platform.node())[:40]
"""Of a temporary name, beside the process: two nodes that write in one folder can have processes of the same number."""

_UMASK = os.umask(0)
os.umask(_UMASK)


_guards: list[Callable[[Path], None]] = []


@contextmanager
def guarded(check: Callable[[Path], None]) -> Iterator[None]:
    """Ask `check` about every file before it gets its name; what `check` raises leaves the file as it was before."""
    _guards.append(check)
    try:
        yield
    finally:
        _guards.remove(check)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `target`; on success it becomes `target`, on failure it is deleted.

    Raises:
        OSError: whatever the file system says, a full disk included; `target` is then what it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name[:100]}.{_HOST}-{os.getpid()}.{secrets.token_hex(4)}.tmp")
    _remove_stale(target)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_UMASK)  # some writers make files that only their owner can read
        for check in _guards:
            check(target)
        temporary.replace(target)
    except Exception as error:
        number = _error_number(error) or _full(target) or (errno.EIO if isinstance(error, OSError) else None)
        if number is None or (isinstance(error, OSError) and error.filename not in (None, str(temporary))):
            raise
        raise OSError(number, os.strerror(number), str(target)) from error
    finally:
        with suppress(OSError):  # a disk that fails now has failed above
            temporary.unlink(missing_ok=True)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Tell a disk that fails and a network folder that is lost from a broken file, which is one to make again.

    Raises:
        TTameError: with the file and what the file system said, which was about neither its absence nor its content.
    """
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number in (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            raise
        said = os.strerror(number)
        raise TTameError(f"{path}: cannot be read ({said}); run the same command again when it can") from None


_SAID = re.compile(
    r"os error (\d+)|Os \{ code: (\d+)|\[errno (\d+)\]|(?:open|Error closing) file <.*\((\d+)\)", re.IGNORECASE
)


def _error_number(error: Exception) -> int | None:
    """What the file system said; torch, safetensors and pyarrow say it in exceptions of their own."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = _SAID.search(str(error))
    return int(next(filter(None, said.groups()))) if said else None


def _full(target: Path) -> int | None:
    """The number of a full disk, where an exception without one came of it."""
    with suppress(OSError):
        if shutil.disk_usage(target.parent).free < FULL:
            return errno.ENOSPC
    return None


def _remove_stale(target: Path) -> None:
    """Delete what writers of `target` left that were killed; no write takes a day."""
    stem = f".{target.name[:100]}."
    with suppress(OSError):  # it can wait for another writer
        for left in target.parent.iterdir():
            is_ours = left.name.startswith(stem) and re.fullmatch(
                r"[^.]+\.[0-9a-f]{8}\.tmp", left.name.removeprefix(stem)
            )
            if is_ours and time.time() - left.stat().st_mtime > 86_400:
                left.unlink()


def write_text(target: Path, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends, atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_folder(folder: Path, texts: Mapping[Path, str]) -> None:
    """Write files in and below `folder`, each atomically, and then delete those that others left there."""
    for path, text in texts.items():
        write_text(path, text)
    for path in folder.rglob("*"):
        if path.is_file() and path not in texts:
            path.unlink()
