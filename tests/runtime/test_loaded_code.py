"""Copies of a server run the code that is in the files, which is loaded once as long as it stays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from ttame.runtime import warm_start

from .conftest import Package, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a server is started on Linux alone"),
]


@pytest.fixture
def own_server(package: Package, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A socket of a server that has loaded the tests' package ahead."""
    monkeypatch.setattr(warm_start, "_PACKAGE", package.folder / "ttame")
    package.says("print(__import__('ttame.stages.maps').stages.maps.LOADED_BY)")
    package.stage("import os; LOADED_BY = os.getpid()")
    with running_server() as path:
        yield path


def test_code_that_was_edited_is_read_anew(server, package) -> None:
    for answer in ("first", "and the second"):
        package.says(f"print({answer!r}, 'torch' in sys.modules)")
        assert package.start(server).communicate()[0] == f"{answer} True\n"


def test_code_is_loaded_once_as_long_as_it_stays(own_server, package) -> None:
    loaded_by = [package.start(own_server).communicate() for _ in range(2)]
    assert loaded_by[0] == loaded_by[1], "both copies have the module of the server"
    package.stage("import os; LOADED_BY = f'{os.getpid()}, edited'")
    edited = [package.start(own_server).communicate()[0] for _ in range(2)]
    assert edited[0].endswith(", edited\n")
    assert edited[0] != edited[1], "every copy reads what was edited"


def test_code_that_does_not_load_is_told_by_who_runs_it(server, package) -> None:
    package.stage("this is no Python")
    load = "import sys; from ttame.runtime.loaded_code import load_stages; load_stages()"
    code = f"{load}; print('ttame.cli' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=package.folder, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    package.says("from ttame.stages import maps")
    assert "SyntaxError" in package.start(server).communicate()[1]
