"""What the wheel and the sdist hold, and that one version stands everywhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser

import pytest
import yaml

import ttame

from ..conftest import REPOSITORY


def _tracked(*patterns: str) -> set[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.splitlines()
    return {name for name in listed if (REPOSITORY / name).is_file()}


def _package_files() -> set[str]:
    """Every file of the package, and the experiments, which are a link there."""
    return _tracked("ttame") | {f"ttame/{name}" for name in _tracked("experiments/*.yaml")}


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(distributions) -> None:
    with zipfile.ZipFile(distributions["whl"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == _package_files()


@pytest.mark.slow
def test_the_sdist_holds_what_the_wheel_is_built_of(distributions) -> None:
    with tarfile.open(distributions["gz"]) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    told = {"CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "codemeta.json", "pyproject.toml"}
    assert names >= _package_files() | told
    assert not [name for name in names if name.startswith(("tests", "results", "docs"))]


@pytest.mark.slow
def test_the_package_index_takes_them(distributions) -> None:
    pytest.importorskip("twine")
    command = [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions.values())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_metadata_says_version_and_extras(distributions) -> None:
    with zipfile.ZipFile(distributions["whl"]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode())
    assert metadata["Version"] == ttame.__version__
    assert {"pipeline", "hf", "clip"} <= set(metadata.get_all("Provides-Extra", []))


def test_one_version_stands_everywhere() -> None:
    version = ttame.__version__
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == version
    assert json.loads((REPOSITORY / "codemeta.json").read_text())["version"] == version
    releases = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == version
