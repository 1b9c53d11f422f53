from __future__ import annotations

import socket
import time
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def unreachable_hub(monkeypatch, tmp_path: Path) -> ModuleType:
    """The constants of huggingface_hub, whose hub has no address and whose cache is empty; a wait is an error."""
    from huggingface_hub import constants

    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror("Name or service not known")

    def asleep(seconds: float) -> None:
        raise AssertionError(f"slept for {seconds} s before trying again")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.setattr(time, "sleep", asleep)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return constants
