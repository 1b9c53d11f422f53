"""A server of warm starts, tried with a package of the tests' own, which a copy must read instead of ttame."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from ttame.params.settings import ExecutionSettings
from ttame.runtime import warm_start
from ttame.runtime.warm_start import VARIABLE

EXECUTION = ExecutionSettings(device="cpu", devices=1, threads=1, batch_size=4)


@contextmanager
def running_server() -> Iterator[str]:
    """The socket of a server, which is gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE, raising=False)
        warm_start.start(EXECUTION)
        process, path = warm_start._servers.pop(), os.environ[VARIABLE]
        yield path
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
    assert not Path(path).parent.exists()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A socket that answers."""
    with running_server() as path:
        yield path


class Package:
    """A ttame whose command line does what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(REPOSITORY / "ttame" / "runtime", folder / "ttame" / "runtime")
        for name in ("__init__.py", "__main__.py", "errors.py"):
            shutil.copy(REPOSITORY / "ttame" / name, folder / "ttame")
        for name in ("cli/__init__.py", "stages/maps.py"):
            (folder / "ttame" / name).parent.mkdir(exist_ok=True)
            (folder / "ttame" / name).touch()

    def says(self, body: str) -> None:
        lines = ["import sys", "def main():", *(f"    {line}" for line in body.strip().splitlines())]
        (self.folder / "ttame" / "cli" / "main.py").write_text("\n".join(lines) + "\n")

    def stage(self, text: str) -> None:
        (self.folder / "ttame" / "stages" / "maps.py").write_text(text + "\n")

    def start(self, path: str, command: str = "maps") -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "ttame", command, "shapes_cnn"]
        pipe = subprocess.PIPE
        environment = os.environ | {VARIABLE: path, "COLOUR": "green", "PYTHONPATH": ""}
        return subprocess.Popen(
            arguments, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)
