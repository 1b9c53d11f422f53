"""A file system that fails at any of its calls: one line, what was finished is intact, and the same command goes on."""

from __future__ import annotations

import errno
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch
import yaml
from safetensors import SafetensorError

from ttame.cli.main import main
from ttame.store import maps_file, scratch

from ..conftest import REPOSITORY
from . import faulty_disk, full_disk
from .conftest import run

ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES)
STAGES = {
    ("datalists",): 16,
    ("maps", "shapes_cnn", "center"): 2,
    ("scores", "shapes_cnn", "center"): 2,
    ("tables",): 11,
    ("page",): 9,
}
"""Of each stage every so many calls: the slow ones write many files in the same way."""


class Faults:
    """Counts the calls below results/ and .scratch/, and fails the one whose number is `at`."""

    def __init__(self) -> None:
        self.at = self.count = 0

    @contextmanager
    def failing(self, at: int) -> Iterator[None]:
        self.at, self.count = at, 0
        yield
        self.at = 0

    def wrap(self, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch, argument: int = 0) -> None:
        original: Callable[..., Any] = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._pass(name, arguments[argument], arguments)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    def _pass(self, name: str, place: Any, arguments: tuple[Any, ...]) -> None:
        if isinstance(place, int):
            place = Path(f"/proc/self/fd/{place}").readlink()
        path = Path(os.path.relpath(place))
        reads = name == "open" and (len(arguments) < 2 or arguments[1] in ("r", "rb"))
        if not self.at or path.parts[0] not in ("results", ".scratch") or reads:
            return
        self.count += 1
        if self.count == self.at:
            number = ERRORS[self.at % len(ERRORS)]
            if name == "save_file":
                raise SafetensorError(f"I/O error: {os.strerror(number)} (os error {number})")
            raise OSError(number, os.strerror(number), None if name == "fsync" else str(path))


@pytest.fixture
def faults(monkeypatch) -> Faults:
    made = Faults()
    for name in ("replace", "mkdir", "open", "write_text", "chmod", "iterdir", "unlink"):
        made.wrap(Path, name, monkeypatch)
    made.wrap(os, "fsync", monkeypatch)
    made.wrap(scratch.shutil, "rmtree", monkeypatch)
    made.wrap(maps_file, "write_rows", monkeypatch)
    made.wrap(scratch, "save_file", monkeypatch, 1)
    made.wrap(pyarrow.parquet, "write_table", monkeypatch, 1)
    return made


def _files() -> dict[str, bytes]:
    """Every result but the measurements and the page that shows them."""
    files = [path for path in Path("results").rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if "cost" not in str(path) and path.name != "measured.html"}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="tells by it which file is synchronised")
def test_an_error_of_any_call_is_one_line_and_loses_nothing(experiment, faults: Faults, capsys) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["data"]["counts"] = {"train": 2, "validation": 2, "evaluation": 2}
    params["methods"] |= {"training_free": ["center"], "trained": []}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    torch.set_num_threads(1)
    run("specifications")
    for stage, step in STAGES.items():
        before = _files()
        run(*stage)
        whole = _files()
        made = [path for path in whole if path not in before]
        for at in itertools.count(1, step):
            for path in made:
                Path(path).unlink()
            capsys.readouterr()
            with faults.failing(at):
                code = main(stage)
            lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ttame: ")]
            if faults.count < at:
                assert code == 0
                break
            left = _files()
            assert left == {path: whole[path] for path in left}, (stage, at)
            assert before.keys() <= left.keys(), (stage, at)
            if code:
                assert len(lines) == 1, (stage, at, lines)
                assert "defect" not in lines[0], (stage, at, lines)
                assert "results" in lines[0] or ".scratch" in lines[0], (stage, at, lines)
            else:  # what can wait, such as the removal of scratch, waits
                assert left == whole, (stage, at)
            run(*stage)
            assert _files() == whole, (stage, at)
        assert at > 1


@pytest.mark.long
@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="compiled for Linux")
def test_an_error_of_every_system_call_is_one_line_and_loses_nothing(tmp_path) -> None:
    library = tmp_path / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    lines = _lines("tests.stages.every_call", tmp_path, LD_PRELOAD=str(library))
    assert [line for line in lines if not re.fullmatch(r".*: \d+ calls", line)] == []
    assert len(lines) == len(faulty_disk.STAGES)


@pytest.mark.long
def test_a_full_and_a_read_only_disk_are_one_line_and_lose_nothing(tmp_path) -> None:
    in_namespace = ["unshare", "--mount", "--map-root-user"]
    try:
        subprocess.run([*in_namespace, "mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    lines = _lines("tests.stages.full_disk", tmp_path, in_namespace)
    assert [line for line in lines if ": well: " not in line] == []
    assert len(lines) == len(faulty_disk.STAGES) * (len(full_disk.PLACES) + 1)


def _lines(module: str, folder: Path, prefix: Sequence[str] = (), **environment: str) -> list[str]:
    command = [*prefix, sys.executable, "-m", module, str(folder)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout)
    return done.stdout.splitlines()
