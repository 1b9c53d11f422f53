"""What a command prints, and a reader that goes away before it has read all, as `head` does."""

from __future__ import annotations

import os
import signal
import sys

READER_GONE = 128 + signal.SIGPIPE
"""What a shell says of `cat` or `git` in that case. 1 would say that the command was refused."""


def give(text: str) -> int:
    """Print what was asked for; the exit code. Of a reader that has gone nothing is said.

    Raises:
        OSError: when the output is a file and the disk is full.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        return READER_GONE
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None
    return 0


def finish(code: int) -> int:
    """Write out what is left; the exit code. Python would do it last of all, with a message and a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError as error:
            _divert(stream.fileno())
            code = code or (READER_GONE if isinstance(error, BrokenPipeError) else 1)
    return code


def _divert(descriptor: int) -> None:
    """What is left to write would fail again at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
