"""Which of the processes of one command speaks: the first while they work, and at the end whoever ends first.

What ends one ends the others a moment later, often by a broken connection, and all of them may find the same mistake.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

LAST_WORD = "TTAME_LAST_WORD"
"""Environment variable with a file that the processes share: who deletes it says how they end, the others nothing."""


def is_first() -> bool:
    """Whether torchrun, Fabric and Slurm call this process the first, or none of them started it."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def share_last_word() -> None:
    """Before other processes of this command are started."""
    if LAST_WORD not in os.environ:
        folder = Path(".scratch")
        folder.mkdir(exist_ok=True)
        descriptor, path = tempfile.mkstemp(prefix="last_word.", dir=folder)
        os.close(descriptor)
        os.environ[LAST_WORD] = path


def take_last_word() -> bool:
    """Whether this process is the first of its command to end."""
    path = os.environ.get(LAST_WORD)
    if path is None:
        return True
    try:
        Path(path).unlink()
    except FileNotFoundError:
        return False
    except OSError:  # rather twice than not at all
        return True
    return True


def keep_last_word() -> None:
    """Let this process say how the command ends, before it tells the others that it failed, unless another one does."""
    if take_last_word():
        os.environ.pop(LAST_WORD, None)  # which it shares no longer


@contextmanager
def one_command() -> Iterator[None]:
    """A last word that is shared within is not that of the next command of this process."""
    inherited = LAST_WORD in os.environ
    try:
        yield
    finally:
        if not inherited and LAST_WORD in os.environ:
            take_last_word()  # where all went well there was nothing to say
            del os.environ[LAST_WORD]


@contextmanager
def only_the_first_speaks() -> Iterator[None]:
    """What the others would say while they work, the first says as well."""
    if is_first() or "TTAME_TRACEBACK" in os.environ:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield
