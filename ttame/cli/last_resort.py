"""What is said of an exception that nobody foresaw: one line, and its traceback in a file."""

from __future__ import annotations

import os
import traceback
from contextlib import suppress
from pathlib import Path

from ttame.store.artifacts import write_text

TRACEBACK_FILE = Path("logs/traceback.txt")

RAISE = "TTAME_TRACEBACK"
"""Environment variable; with 1 the exception is raised, for a debugger."""

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def describe(error: Exception) -> str:
    """The line; a defect leaves its traceback in `logs/traceback.txt`.

    Raises:
        Exception: the error itself, with TTAME_TRACEBACK=1 in the environment.
    """
    if os.environ.get(RAISE) == "1":
        raise error
    first = next(iter(str(error).splitlines()), "")
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY):
        return (
            f"out of memory ({first or type(error).__name__}); lower execution.batch_size, or in a training "
            "attention.METHOD.recipe.batch_size, with accumulate raised to match; what is finished is kept"
        )
    # A disk that takes no file must not hide the line.
    where = f"set {RAISE}=1 to see the traceback"
    with suppress(Exception):
        write_text(TRACEBACK_FILE, "".join(traceback.format_exception(error)))
        where = f"the traceback is in {TRACEBACK_FILE}"
    said = f"{type(error).__name__}: {first}".rstrip(": ")
    return f"{said} (a defect of ttame; {where}, please report it)"
