"""Published weights over a network that may not be there: a few seconds, not a minute of retries, to find that out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 5.0
"""For the hub to answer at all."""

STALLED = 15.0
"""Seconds without a byte after which a download has failed."""


@contextmanager
def stalling_for_seconds() -> Iterator[None]:
    """A block whose downloads with `urllib`, torchvision's, give up; else they wait for as long as the system does."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALLED)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def reachable_hub() -> Iterator[None]:
    """A block in which timm asks the hub only if it answers, and else reads its cache alone.

    `huggingface_hub` tries six times over 23 s, and again for the second of the two files that timm asks it for.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _hub_answers()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _hub_answers() -> bool:
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # the session's library is requests or httpx, by the version
        return False
    return True
