"""Hooks on modules for the time of a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from torch.utils.hooks import RemovableHandle


@contextmanager
def hooked(handles: Iterable[RemovableHandle]) -> Iterator[None]:
    """A block at whose end hooks are gone.

    Args:
        handles: best an iterable that registers them one by one, so that those before one that fails are removed too.
    """
    with ExitStack() as registered:
        for handle in handles:
            registered.callback(handle.remove)
        yield
