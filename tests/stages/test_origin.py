"""Artifacts carry what made them, and a stage run by hand refuses what was made of something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from ttame.attention.checkpoint import TrainedMechanism, make_network, save_checkpoint
from ttame.backbones.loading import load_backbone
from ttame.cli.main import main
from ttame.params.active import load_settings
from ttame.store.maps_file import write_maps
from ttame.store.scratch import Scratch

from ..conftest import whole_maps
from .conftest import run

RESULTS = Path("results/tiny")


@pytest.fixture
def finished(experiment, capsys) -> None:
    """Everything of one method, which is all that there is."""
    experiment()
    _edit(lambda params: params["methods"].update(training_free=["gradcam"], trained=[]))
    run("datalists")
    for stage in ("maps", "scores", "sanity"):
        run(stage, "shapes_cnn", "gradcam")
    run("tables")
    capsys.readouterr()


def _edit(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    change(params)
    Path("params.yaml").write_text(yaml.safe_dump(params))


def _refused(capsys, *arguments: str) -> str:
    assert main(arguments) == 1, arguments
    error = str(capsys.readouterr().err).strip()
    assert "Traceback" not in error
    return error


@pytest.mark.slow
def test_what_changed_is_named_and_what_to_run(finished, capsys) -> None:
    before = Path("params.yaml").read_text()
    changes: list[tuple[Callable[[dict[str, Any]], object], str, str]] = [
        (lambda params: params["models"]["shapes_cnn"].update(weights="none"), "weights", "scores"),
        (lambda params: params["models"]["shapes_cnn"].update(target_layer="stem"), "target_layer", "scores"),
        (lambda params: params["metrics"].update(coherency=False), "metrics.coherency", "scores"),
        (lambda params: params["metrics"].update(shares=[100, 40]), "metrics.shares", "tables"),
        (lambda params: params["sanity"].update(seed=5), "its params", "tables"),
    ]
    for change, key, stage in changes:
        _edit(change)
        pair = ["shapes_cnn", "gradcam"] if stage == "scores" else []
        error = _refused(capsys, stage, *pair)
        assert f"made before {key}" in error
        assert "run `python -m ttame " in error
        assert "shapes_cnn gradcam` again" in error
        Path("params.yaml").write_text(before)
    contents = RESULTS / "datalists/evaluation.images.csv"
    contents.write_text(contents.read_text().replace("0", "1"))
    for command in (["scores", "shapes_cnn", "gradcam"], ["figure", "shapes_cnn"], ["tables"]):
        assert "made before the evaluation photos changed" in _refused(capsys, *command)


@pytest.mark.slow
def test_scores_of_other_maps_are_refused(finished, capsys) -> None:
    run("maps", "shapes_cnn", "gradcam")
    run("tables")
    path = RESULTS / "maps/shapes_cnn/gradcam.safetensors"
    write_maps(path, replace(whole_maps(path), forward_passes=2.0))
    capsys.readouterr()
    assert "made before the maps changed; run `python -m ttame scores shapes_cnn gradcam`" in _refused(capsys, "tables")


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff\xfe\x00", b"name,other\nx,1\n", None])
def test_broken_artifacts_are_a_line(finished, capsys, content) -> None:
    readers = {
        "datalists/evaluation.txt": ["tables"],
        "cost/shapes_cnn/gradcam.json": ["page"],
        "maps/shapes_cnn/gradcam.safetensors": ["scores", "shapes_cnn", "gradcam"],
        "scores/shapes_cnn/gradcam.parquet": ["tables"],
        "sanity/shapes_cnn/gradcam.csv": ["tables"],
    }
    for name, command in readers.items():
        path = RESULTS / name
        before = path.read_bytes()
        path.write_bytes(before[: len(before) // 2] if content is None else content)
        error = _refused(capsys, *command)
        assert name.startswith("datalists") or str(path) in error
        path.write_bytes(before)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_broken_checkpoints_are_a_line(experiment, capsys, content) -> None:
    experiment()
    backbone = load_backbone("shapes_cnn", load_settings().models["shapes_cnn"])
    network = make_network(backbone, "ttame", backbone.layers)
    path = RESULTS / "attention/shapes_cnn/ttame.seed1.safetensors"
    counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
    save_checkpoint(path, TrainedMechanism(network, list(backbone.layers), counts), backbone, "ttame")
    if content is None:
        save_file({"a": torch.zeros(2)}, path, {"ttame": "{}"})
    else:
        path.write_bytes(content)
    run("datalists")
    capsys.readouterr()
    assert f"{path}: not a checkpoint" in _refused(capsys, "maps", "shapes_cnn", "ttame")


def test_a_lost_piece_is_no_shorter_list(experiment, capsys, monkeypatch) -> None:
    experiment()
    _edit(lambda params: params["data"].update(model_truths=["shapes_cnn"]))
    run("datalists")
    capsys.readouterr()
    monkeypatch.setattr(Scratch, "load", lambda *_: None)
    assert "1 of 1 pieces are not there" in _refused(capsys, "truths", "shapes_cnn")
    assert not (RESULTS / "model_truths").exists()
