from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.warm_starts import warm_starts
from ttame.runtime.warm_start import VARIABLE

STAGES = [
    ["datalists"],
    ["train", "shapes_cnn", "ttame"],
    ["maps", "shapes_cnn", "ttame"],
    ["scores", "shapes_cnn", "ttame"],
    ["sanity", "shapes_cnn", "ttame"],
]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a server is started on Linux alone")
def test_copies_write_what_ordinary_starts_write(experiment, monkeypatch) -> None:
    """With compiled code, parquet files, two threads and a worker that decodes."""
    monkeypatch.setenv(VARIABLE, "")
    usual = _run(experiment("usual", threads=2, workers=1))
    folder = experiment("warm", threads=2, workers=1)
    with warm_starts(folder):
        warm = _run(folder)
    assert {path.suffix for path in usual} >= {".txt", ".safetensors", ".parquet", ".csv"}
    assert usual == warm


def _run(folder: Path) -> dict[Path, bytes]:
    """Every result but measurements, by its path."""
    for stage in STAGES:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, "-m", "ttame", *stage], cwd=folder, env=environment, check=True)
    files = (path for path in (folder / "results").rglob("*") if path.is_file() and "cost" not in path.parts)
    return {path.relative_to(folder): path.read_bytes() for path in files}
