"""The one exception that users see: a line that says what is wrong and how to mend it."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable


class TTameError(Exception):
    """Bad input. The message names the file or the key, what was expected, and how to mend it."""


class NotDefined(TTameError):  # noqa: N818, it is a fact, and no mistake of the user
    """A method that is not defined on a classifier: of such a pair there is no map, and the tables leave it out."""


class Stopped(Exception):  # noqa: N818, it is no error
    """The work was asked to stop by the signal `number`, and has saved what it did. The message says how to go on."""

    def __init__(self, message: str, number: int = signal.SIGTERM) -> None:
        super().__init__(message)
        self.number = int(number)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` when a known name is near, else `""`."""
    near = difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(match) for match in near)}?" if near else ""


OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
"""What torch says of it, of the CPU's memory in a plain RuntimeError."""


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether there was no memory left, of the machine or of a GPU; an illegal access to it is none."""
    said = str(error).lower()
    is_torchs = type(error).__name__ == "OutOfMemoryError" or any(words in said for words in OUT_OF_MEMORY)
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and is_torchs)


def reason_of(error: BaseException, most: int = 240) -> str:
    """What an error of another library says, on one line: whole, or as many sentences or words as there is room for.

    Args:
        error: whatever a library raised.
        most: characters.
    """
    words = " ".join(str(error).split()) or type(error).__name__
    if len(words) > most:
        words = words.partition("Caused by ")[2] or words  # what urllib3 ends with is what happened
    if len(words) <= most:
        return words.removesuffix(".")
    sentences, _, _ = words[:most].rpartition(". ")
    return sentences or f"{words[: most - 4].rpartition(' ')[0] or words[: most - 4]} ..."
