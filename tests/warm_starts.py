"""A server of warm starts for as long as a test needs one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from ttame.params.active import load_settings
from ttame.runtime import warm_start


@contextmanager
def warm_starts(folder: Path) -> Iterator[None]:
    """Stages that are run in here start in copies of a server of this experiment's arithmetic."""
    with mock.patch.dict(os.environ):
        warm_start.start(load_settings(folder / "params.yaml").execution)
        try:
            yield
        finally:
            stdin = warm_start._servers.pop().stdin
            assert stdin is not None
            stdin.close()
