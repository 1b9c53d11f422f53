"""What a user sees of bad input: one line, a non-zero exit, no traceback, nothing lost."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ttame.cli.main import COMMANDS, main
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
        params["methods"] |= {"training_free": ["gradcam"], "trained": ["ttame"]}
        params["measures"]["taken"] = ["single_deletion"]
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
    assert "no such checkpoint; run `python -m ttame train shapes_cnn ttame --seed 1`" in _one_line(
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
    stated = {"model": "shapes_cnn", "weights": "default", "head": None, "target_layer": "auto", "outputs": "logits"}
    folder(models={"shapes_cnn": stated | {"layers": ["layer9"]}})
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
    table, below = [line for line in lines if line.startswith("|")], lines[-1]
    rows = {row[0]: row for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in table)}
    assert rows["Name"] == ["Name", "Title", "Kind", "Training", "CNN", "Transformer", "Passes per map", "Paper"]
    assert rows["lrp"][1:7] == ["Transformer LRP", "attention", "no", "no", "yes", "1 + 1"]
    assert rows["lcam_img"][2:6] == ["learned", "yes", "yes", "yes"]
    assert len(rows) == 2 + len(EXPLAINERS)
    assert below.startswith("lrp: the rules of layer-wise relevance propagation are the subject of a patent;")


def _command_that(monkeypatch, raises: Callable[[], object]) -> None:
    monkeypatch.setitem(COMMANDS, "methods", lambda _: raises())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_in_a_line_with_their_number(capsys, monkeypatch, number) -> None:
    before = signal.getsignal(number)

    def asked() -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    _command_that(monkeypatch, asked)
    assert main(["methods"]) == 128 + number
    assert "what is finished is kept, run the same command to go on" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_what_nobody_foresaw_is_a_line_and_a_file(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    def fail() -> None:
        raise ZeroDivisionError("by\nzero")

    _command_that(monkeypatch, fail)
    assert main(["methods"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ttame: ZeroDivisionError: by (a defect of ttame: please report it with logs/traceback.txt")
    assert 'raise ZeroDivisionError("by' in Path("logs/traceback.txt").read_text()
    monkeypatch.setenv("TTAME_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["methods"])


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
    ],
)
def test_a_lack_of_memory_says_what_to_lower(capsys, monkeypatch, error) -> None:
    def fail() -> None:
        raise error

    _command_that(monkeypatch, fail)
    assert "lower execution.batch_size" in _one_line(capsys, "methods")


def test_under_dvc_a_failure_says_where_the_former_results_are(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "tables")
    monkeypatch.setenv("TTAME_ENGINE", str(os.getppid()))
    assert "`dvc checkout tables` brings the former results back" in _one_line(capsys, "tables")


def test_a_terminal_that_is_not_utf8(monkeypatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    _command_that(monkeypatch, lambda: "≈ é")
    assert main(["methods"]) == 0
    sys.stdout.flush()
    assert written.getvalue() == b"\\u2248 \\xe9\n"
