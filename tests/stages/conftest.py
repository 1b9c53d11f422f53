"""A tiny experiment on the embedded data, in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.cli.main import main
from ttame.params.section import SPLITS

from ..conftest import REPOSITORY
from .measured import MEASURES, change
from .measured import METHODS as JUDGED

METHODS = ["random", "center", "gradcam", "ttame"]


def tiny_params(params: dict[str, Any]) -> dict[str, Any]:
    """The repository's params with small counts: one backbone, two epochs, ten images."""
    params["experiment"] = "tiny"
    params["data"]["lists"] = dict.fromkeys(SPLITS)
    params["data"]["counts"] = {"train": 24, "validation": 6, "evaluation": 10}
    params["backbones"] = ["shapes_cnn"]
    params["methods"] |= {"training_free": METHODS[:-1], "trained": ["ttame"]}
    params["attention"]["ttame"]["recipe"] |= {"epochs": 2, "batch_size": 8}
    params["metrics"]["coherency"] = True
    params["metrics"]["road"]["shares"] = [10, 70]
    params["metrics"]["insertion_deletion"]["steps"] = 4
    params["measures"]["taken"] = ["single_deletion"]
    params["sensitivity"]["images"] = 4
    params["sanity"]["images"] = 8
    params["execution"] |= {"device": "cpu", "threads": 1, "batch_size": 4, "workers": 0}
    return params


@pytest.fixture
def experiment(tmp_path: Path, params: dict[str, Any], monkeypatch) -> Callable[..., Path]:
    """Make a folder with params.yaml and enter it; `changes` are applied to the params."""

    def make(name: str = "experiment", **execution: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        settings = tiny_params(params)
        settings["execution"] |= execution
        (folder / "params.yaml").write_text(yaml.safe_dump(settings))
        monkeypatch.chdir(folder)
        return folder

    return make


def run(*arguments: str) -> None:
    """Run a command of ttame and expect it to succeed."""
    assert main(arguments) == 0, arguments


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """An experiment with all measures, up to the tables."""
    folder: Path = tmp_path_factory.mktemp("measures")
    params = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        change()
        run("datalists")
        for measure in MEASURES:
            run("basis", "shapes_cnn", measure)
        for method in JUDGED:
            run("maps", "shapes_cnn", method)
            run("scores", "shapes_cnn", method)
            for measure in MEASURES:
                run("measure", "shapes_cnn", method, measure)
        run("sensitivity", "shapes_cnn")
        run("tables")
    return folder


@pytest.fixture
def measured(finished: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of the finished experiment, entered."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"
