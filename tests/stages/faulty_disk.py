"""An experiment of every stage that is run where the file system fails, and what may not come of that."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml

from ttame.cli.main import main
from ttame.store import provenance

from ..conftest import REPOSITORY
from .conftest import tiny_params

STAGES = (
    "specifications",
    "datalists",
    "truths shapes_cnn",
    "train shapes_cnn ttame",
    "maps shapes_cnn ttame",
    "scores shapes_cnn ttame",
    "sanity shapes_cnn ttame",
    "figure shapes_cnn",
    "tables",
    "page",
)
Files = dict[Path, bytes]


def enter_experiment(folder: str) -> None:
    """Go to a folder and write the params of a tiny experiment of one trained method."""
    params = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    params["data"]["counts"] = {"train": 8, "validation": 2, "evaluation": 2}
    params["methods"] |= {"training_free": [], "trained": ["ttame"]}
    params["data"]["model_truths"] = params["backbones"]
    provenance._commit = lambda: None  # git would take most of the time
    os.chdir(folder)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    torch.set_num_threads(1)


def files() -> Files:
    """Every result but the measurements, the page that shows them, and temporary files."""
    found = [path for path in Path("results").rglob("*") if path.is_file() and path.suffix != ".tmp"]
    return {path: path.read_bytes() for path in found if "cost" not in str(path) and path.name != "measured.html"}


def attempt(stage: str) -> tuple[int, list[str]]:
    """The exit code of a stage, and the lines that it said of errors."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(stage.split())
    return code, [line for line in said.getvalue().splitlines() if line.startswith("ttame: ")]


def wrong(code: int, lines: list[str], left: Files, before: Files, whole: Files) -> Iterator[str]:
    """What should not be after an attempt: `left` of the files of before it and of those of a whole run."""
    if left != {path: whole[path] for path in left if path in whole}:
        yield "other bytes"
    if not before.keys() <= left.keys():
        yield "an earlier artifact is gone"
    if not code and left != whole:
        yield "it says that it succeeded"
    if code and len(lines) != 1:
        yield f"{len(lines)} lines"
    if code and any("defect" in line for line in lines):
        yield "a defect"
    if code and not any(folder in line for line in lines for folder in ("results", ".scratch", "logs")):
        yield "no file is named"
