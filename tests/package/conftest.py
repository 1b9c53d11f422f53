"""The wheel and the sdist, and an environment that has ttame from the wheel alone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import REPOSITORY
from ..pipeline.checkout import copy_checkout

Run = Callable[..., subprocess.CompletedProcess[str]]


def empty_environment(folder: Path) -> Path:
    """The interpreter of an environment without ttame.

    What ttame depends on, 6 GB of it, is not installed again but seen through a path file.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """The working tree, committed in a folder of its own."""
    return copy_checkout(tmp_path_factory.mktemp("tree"), {})


@pytest.fixture(scope="session")
def distributions(tree, tmp_path_factory) -> dict[str, Path]:
    """`whl` and `gz`: those of the folder that `make package` names, else built from the working tree."""
    pytest.importorskip("build")
    if "TTAME_DISTRIBUTIONS" in os.environ:
        folder = Path(os.environ["TTAME_DISTRIBUTIONS"]).resolve()
    else:
        folder = tmp_path_factory.mktemp("dist")
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(tree)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    found = {file.suffix.lstrip("."): file for file in folder.iterdir()}
    assert sorted(found) == ["gz", "whl"]
    return found


@pytest.fixture(scope="session")
def python(distributions, tmp_path_factory) -> Path:
    """The interpreter of an empty environment into which the wheel was installed."""
    program = empty_environment(tmp_path_factory.mktemp("environment"))
    pip = [sys.executable, "-m", "pip", "--python", str(program), "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run([*pip, str(distributions["whl"])], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture
def run(python, tmp_path) -> Run:
    """Run Python of that environment in a folder of its own, whose name has a space; by default it has to succeed."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "TTAME_WARM_START"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"

    def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [str(python), *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        assert str(REPOSITORY) not in done.stdout + done.stderr
        return done

    return call
