"""The environment of `make` says how far its installation is."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import ttame

from ..conftest import REPOSITORY
from .conftest import empty_environment

pytestmark = pytest.mark.slow


def _lock(folder: Path, digest: str) -> Path:
    """Of ttame alone, on this system."""
    lock = folder / "requirements.lock"
    elsewhere = "colorama==0.4.6 ; sys_platform == 'win32' \\\n    --hash=sha256:" + 64 * "0"
    lock.write_text(f"{elsewhere}\nttame=={ttame.__version__} \\\n    --hash=sha256:{digest}\n")
    return lock


def _run(command: list[str], folder: Path, wheel: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def _install(tmp_path: Path, wheel: Path, digest: str) -> subprocess.CompletedProcess[str]:
    lock = _lock(tmp_path, digest)
    command = [str(empty_environment(tmp_path / "new")), str(REPOSITORY / "scripts/install_packages.py"), str(lock)]
    return _run(command, tmp_path, wheel)


def test_it_says_how_many_packages_are_there(tmp_path, distributions) -> None:
    wheel = distributions["whl"]
    done = _install(tmp_path, wheel, hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert done.returncode == 0, done.stderr
    assert re.search(r"1/1 fetching \S*ttame-\S+\.whl\n", done.stderr)
    assert "1 packages installed in 0:" in done.stderr
    assert not done.stdout


def test_make_prints_the_environment_alone(tmp_path, distributions) -> None:
    """The documentation has a shell take it, `source $(make -s venv)/bin/activate`, on a fresh machine too."""
    wheel = distributions["whl"]
    _lock(tmp_path, hashlib.sha256(wheel.read_bytes()).hexdigest())
    (tmp_path / "scripts").mkdir()
    for name in ("Makefile", "scripts/install_packages.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    environment = tmp_path / "venv"
    done = _run(["make", "-s", "venv", f"VENV={environment}"], tmp_path, wheel)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{environment}\n"
    assert "1 packages installed in 0:" in done.stderr


def test_what_fails_is_seen(tmp_path, distributions) -> None:
    done = _install(tmp_path, distributions["whl"], 64 * "0")
    assert done.returncode != 0
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert "installed in" not in done.stderr
