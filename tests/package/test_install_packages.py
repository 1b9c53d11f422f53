"""The environment of `make` says how far its installation is."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

import ttame

from ..conftest import REPOSITORY
from .conftest import empty_environment

pytestmark = pytest.mark.slow


def _install(tmp_path: Path, wheel: Path, digest: str) -> subprocess.CompletedProcess[str]:
    lock = tmp_path / "requirements.lock"
    elsewhere = "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:" + 64 * "0"
    lock.write_text(f"{elsewhere}\nttame=={ttame.__version__} \\\n    --hash=sha256:{digest}\n")
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    command = [str(empty_environment(tmp_path / "new")), str(REPOSITORY / "scripts/install_packages.py"), str(lock)]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_it_says_how_many_packages_are_there(tmp_path, distributions) -> None:
    wheel = distributions["whl"]
    done = _install(tmp_path, wheel, hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert done.returncode == 0, done.stderr
    assert re.search(r"1/1 fetching \S*ttame-\S+\.whl\n", done.stdout)
    assert "1 packages installed in 0:" in done.stdout


def test_what_fails_is_seen(tmp_path, distributions) -> None:
    done = _install(tmp_path, distributions["whl"], 64 * "0")
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert "installed in" not in done.stdout
