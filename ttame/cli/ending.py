"""How a command ends: every error, and every signal that asked to stop, as one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from ttame.errors import Stopped, TTameError, is_lack_of_memory
from ttame.runtime.speaking import take_last_word
from ttame.store.artifacts import write_text

TRACEBACK = Path("logs/traceback.txt")
KEPT = "what is finished is kept, run the same command to go on"


def end(error: BaseException) -> int:
    """Say on standard error what went wrong, unless another process of this command has; the exit code."""
    line, code = _line_and_code(error)
    if take_last_word():
        if line is None:
            with suppress(Exception):  # a disk that takes no file must not hide the line
                write_text(TRACEBACK, "".join(traceback.format_exception(error)))
            defect = f"(a defect of ttame: please report it with {TRACEBACK})"
            line = f"{type(error).__name__}: {_first_line(error)} {defect}"
        _say(line)
    return code


def _line_and_code(error: BaseException) -> tuple[str | None, int]:
    """No line for what nobody foresaw."""
    if isinstance(error, Stopped):
        return str(error), 128 + error.number
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {KEPT}", 128 + getattr(error, "number", signal.SIGINT)
    if isinstance(error, TTameError):
        return str(error), 1
    if is_lack_of_memory(error):
        lower = "lower execution.batch_size, for a training its recipe.batch_size with a higher accumulate"
        return f"not enough memory ({_first_line(error)}); {lower}; {KEPT}", 1
    if isinstance(error, OSError):
        return _describe(error), 1
    return None, 1


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}no space left on the disk; free some and run the same command, what is finished is kept"
    return f"{where}{error.strerror or error}"


def _say(message: str) -> None:
    """One line, whatever is in a name; DVC has deleted the outputs of a stage before its command."""
    stage = os.environ.get("DVC_STAGE")
    former = f"; `dvc checkout {stage}` brings the former results back" if stage else ""
    with suppress(OSError):  # whoever read it may be gone, and the exit code is said all the same
        print(f"ttame: {' '.join(message.splitlines())}{former}", file=sys.stderr)
