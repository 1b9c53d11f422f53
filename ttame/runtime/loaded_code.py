"""The code of ttame that `warm_server` has loaded ahead, which its copies keep as long as no file of it has changed."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

State = dict[str, tuple[int, int, int]]
"""By the file's path: its inode, size in bytes, and time of change in nanoseconds."""


def state_of(package: Path) -> State:
    """Of every Python file of a package; what vanishes meanwhile is left out."""
    found: State = {}
    for path in sorted(package.rglob("*.py")):
        with suppress(OSError):
            status = path.stat()
            found[str(path)] = status.st_ino, status.st_size, status.st_mtime_ns
    return found


def load_stages() -> State:
    """Import the command line and all stages; the state that their files had before.

    Code that does not load, because someone is writing it, is forgotten, and its error is that of the copy to tell.
    """
    state = state_of(PACKAGE)
    try:
        importlib.import_module("ttame.cli.main")
        for stage in sorted((PACKAGE / "stages").glob("[!_]*.py")):
            importlib.import_module(f"ttame.stages.{stage.stem}")
    except Exception:
        forget()
    return state


def keep_or_forget(state: State, package: str) -> None:
    """Leave the loaded modules to a command of the same files, and let it read any other code itself.

    Args:
        state: of the files from which this process has loaded them.
        package: the folder whose code the command is to run.
    """
    if package != str(PACKAGE) or state_of(PACKAGE) != state:
        forget()


def forget() -> None:
    """Take the modules of ttame out of this process."""
    for name in [name for name in sys.modules if name.split(".")[0] == "ttame"]:
        del sys.modules[name]
    importlib.invalidate_caches()
