"""What a caller's own blocks do to torch, kept out of ttame's calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

AUTOCAST = ("cpu", "cuda")
"""Devices that a caller may compute on in mixed precision."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block, or a function below it, that no `torch.inference_mode()` and no `torch.autocast` around it reaches.

    A classifier computes in its own precision, in which it was wrapped or trained with.
    """
    with ExitStack() as blocks:
        blocks.enter_context(torch.inference_mode(False))
        for kind in AUTOCAST:
            if torch.is_autocast_enabled(kind):
                blocks.enter_context(torch.autocast(kind, enabled=False))
        yield
