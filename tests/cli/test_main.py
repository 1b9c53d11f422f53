"""What a user sees of bad input: one line, a non-zero exit, no traceback, nothing lost."""

from __future__ import annotations

import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ttame.cli.main import main
from ttame.errors import TTameError
from ttame.explainers.registry import EXPLAINERS
from ttame.store import artifacts

from ..conftest import REPOSITORY


@pytest.fixture
def folder(tmp_path: Path, params: dict[str, Any], monkeypatch) -> Callable[..., Path]:
    """An experiment on a folder of eight images, entered."""

    def make(**changes: Any) -> Path:
        images = tmp_path / "images"
        images.mkdir()
        random = np.random.default_rng(0)
        for index in range(8):
            Image.fromarray(random.integers(0, 256, (70, 80, 3), dtype=np.uint8)).save(images / f"{index}.png")
        params["data"] |= {
            "source": "folder",
            "roots": dict.fromkeys(("train", "validation", "evaluation"), str(images)),
            "lists": dict.fromkeys(("train", "validation", "evaluation")),
            "counts": {"train": 4, "validation": 2, "evaluation": 2},
        }
        params["backbones"] = ["shapes_cnn"]
        params["methods"] = {"training_free": ["gradcam"], "trained": ["ttame"]}
        params["execution"]["device"] = "cpu"
        params.update(changes)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return make


def _one_line(capsys, *arguments: str) -> str:
    """Run a command that has to fail; its message."""
    assert main(arguments) != 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ttame: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("bad", [b"", b"\x89PNG\r\n\x1a\nxxxx", b"text"], ids=["empty", "truncated", "text"])
def test_bad_image_is_named_and_the_lists_stay(folder, capsys, bad: bytes) -> None:
    root = folder()
    assert main(["datalists"]) == 0
    before = (root / "results/shapes/datalists/train.txt").read_text()
    for path in (root / "images").iterdir():
        path.write_bytes(bad)
    message = _one_line(capsys, "datalists")
    assert str(root / "images") in message
    assert "more images of the train list" in message
    assert (root / "results/shapes/datalists/train.txt").read_text() == before


def test_list_that_names_a_missing_file(folder, capsys, tmp_path: Path) -> None:
    folder()
    params = yaml.safe_load(Path("params.yaml").read_text())
    Path("given.txt").write_text("0.png 1\nmissing.png 2\n")
    params["data"]["lists"]["evaluation"] = "given.txt"
    Path("params.yaml").write_text(yaml.safe_dump(params))
    assert "the evaluation list: 1 of 2 images are not in " in (message := _one_line(capsys, "datalists"))
    assert "missing.png for one; put them there, or mend the list or data.roots" in message


def test_training_list_smaller_than_a_batch(folder, capsys) -> None:
    folder()
    assert main(["datalists"]) == 0
    assert "4 images do not fill a step of 32; lower" in _one_line(capsys, "train", "shapes_cnn", "ttame")


def test_stage_out_of_order_says_which_comes_first(folder, capsys) -> None:
    folder()
    assert "run the datalists stage" in _one_line(capsys, "maps", "shapes_cnn", "gradcam")
    assert main(["datalists"]) == 0
    assert "no such checkpoint; run `python -m ttame train shapes_cnn ttame`" in _one_line(
        capsys, "maps", "shapes_cnn", "ttame"
    )
    assert "no such maps; run `python -m ttame maps`" in _one_line(capsys, "scores", "shapes_cnn", "gradcam")


def test_wildcard_that_is_not_in_the_experiment(folder, capsys) -> None:
    folder()
    assert "no backbone 'shapes_cn' in this experiment; did you mean" in _one_line(
        capsys, "maps", "shapes_cn", "gradcam"
    )
    assert "no method 'gradcam' in this experiment; it has ttame" in _one_line(capsys, "train", "shapes_cnn", "gradcam")


def test_unknown_layer(folder, capsys) -> None:
    layers = {"model": "shapes_cnn", "weights": "default", "layers": ["layer9"], "target_layer": "auto"}
    folder(models={"shapes_cnn": layers})
    assert main(["datalists"]) == 0
    assert "no layer called 'layer9'; did you mean" in _one_line(capsys, "maps", "shapes_cnn", "gradcam")


def test_cuda_that_is_not_there(folder, capsys, monkeypatch) -> None:
    execution = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["execution"]
    folder(execution=execution | {"device": "cuda"})
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "no CUDA device is visible" in _one_line(capsys, "maps", "shapes_cnn", "gradcam")


def test_full_disk_is_said_and_nothing_is_lost(folder, capsys, monkeypatch) -> None:
    folder()
    assert main(["datalists"]) == 0

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "results/x")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    assert "no space left on the disk" in _one_line(capsys, "maps", "shapes_cnn", "gradcam")
    assert not Path("results/shapes/maps/shapes_cnn/gradcam.safetensors").exists()


def test_interrupt(folder, capsys, monkeypatch) -> None:
    folder()

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ttame.stages.datalists.run", interrupt)
    assert "interrupted; what is finished is kept" in _one_line(capsys, "datalists")


def _raising(error: BaseException) -> Callable[..., None]:
    def run(*_: Any) -> None:
        raise error

    return run


def test_what_nobody_foresaw_is_one_line_and_a_file(folder, capsys, monkeypatch) -> None:
    folder()
    monkeypatch.setattr("ttame.stages.datalists.run", _raising(KeyError("pear\nmore")))
    assert "KeyError: 'pear\\nmore' (a defect of ttame; the traceback is in logs/traceback.txt, please report it)" in (
        _one_line(capsys, "datalists")
    )
    assert Path("logs/traceback.txt").read_text().startswith("Traceback")
    monkeypatch.setenv("TTAME_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["datalists"])


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory. Tried"), RuntimeError("Out of memory")]
)
def test_out_of_memory_says_what_to_lower(folder, capsys, monkeypatch, error: Exception) -> None:
    folder()
    monkeypatch.setattr("ttame.stages.datalists.run", _raising(error))
    assert "; lower execution.batch_size, or in a training attention." in _one_line(capsys, "datalists")


def test_in_dvc_a_failure_says_how_the_former_results_come_back(folder, capsys, monkeypatch) -> None:
    folder()
    monkeypatch.setenv("DVC_STAGE", "datalists")
    monkeypatch.setattr("ttame.stages.datalists.run", _raising(TTameError("a bad photo")))
    assert (
        _one_line(capsys, "datalists") == "ttame: a bad photo; `dvc checkout datalists` brings the former results back"
    )


def test_a_terminal_that_lacks_a_character(monkeypatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(written, "ascii", write_through=True))
    assert main(["datalists", "--params", "é.yaml"]) == 1
    assert b"\\xe9.yaml" in written.getvalue()


def test_interrupt_while_python_imports(capsys, monkeypatch) -> None:
    monkeypatch.setattr("ttame.runtime.warm_start.run_warm", _raising(KeyboardInterrupt()))
    with pytest.raises(SystemExit, match="130"):
        runpy.run_module("ttame.__main__")
    assert capsys.readouterr().err == "ttame: interrupted before anything began\n"


def test_results_are_printed_with_their_path(folder, capsys) -> None:
    root = folder()
    assert "no such table yet" in _one_line(capsys, "results")
    tables = root / "results/shapes/tables"
    tables.mkdir(parents=True)
    (tables / "results.md").write_text("# the table\n")
    (tables / "cost.md").write_text("# the cost\n")
    assert main(["results"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Results page: {root / 'results/shapes/page/index.html'}"


def test_methods_are_listed_with_what_they_need(capsys) -> None:
    assert main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {row[0]: row for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)}
    assert rows["Name"] == ["Name", "Title", "Kind", "Training", "CNN", "Transformer", "Passes per map", "Paper"]
    assert rows["lrp"][1:7] == ["Transformer LRP", "attention", "no", "no", "yes", "1 + 1"]
    assert rows["lcam_img"][2:6] == ["learned", "yes", "yes", "yes"]
    assert len(rows) == 2 + len(EXPLAINERS)
