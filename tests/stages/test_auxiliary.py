"""The stages of P-TAME, which reads one embedded classifier and explains the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file, save_file

from ttame.attention.training import AttentionTraining
from ttame.backbones.shapes import WEIGHTS
from ttame.cli.main import main
from ttame.explainers.registry import EXPLAINERS
from ttame.params.attention import AttentionSettings
from ttame.params.reading import merge

from ..conftest import whole_maps
from .conftest import run

PAIR = ("shapes_cnn", "ptame")
RESULTS = Path("results/tiny")


def _edit(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    change(params)
    Path("params.yaml").write_text(yaml.safe_dump(params))


def _auxiliary(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda params: params["attention"]["ptame"]["mechanism"].update(auxiliary=name)


@pytest.fixture
def prepared(experiment) -> Callable[[str], Path]:
    """A folder with the lists of an experiment of P-TAME."""

    def make(name: str = "experiment") -> Path:
        folder: Path = experiment(name)
        training = EXPLAINERS["ptame"].training
        assert training is not None
        section = merge(AttentionSettings().model_dump(), training.defaults)
        section = merge(section, {"mechanism": {"auxiliary": "shapes_vit"}, "recipe": {"epochs": 2, "batch_size": 8}})
        _edit(lambda params: params["methods"].update(training_free=["gradcam"], trained=["ptame"]))
        _edit(lambda params: params["attention"].update(ptame=section))
        run("datalists")
        return folder

    return make


def _refused(capsys, *arguments: str) -> str:
    assert main(arguments) == 1, arguments
    error = str(capsys.readouterr().err).strip()
    assert "Traceback" not in error
    return error


@pytest.mark.slow
def test_from_training_to_tables(prepared, capsys) -> None:
    prepared()
    for stage in ("train", "maps", "scores", "sanity"):
        run(stage, *PAIR)
    assert "shapes_vit: feature layers blocks.3.norm1" in capsys.readouterr().err
    maps = whole_maps(RESULTS / "maps/shapes_cnn/ptame.seed1.safetensors")
    assert maps.maps.shape == (10, 8, 8)
    assert (maps.forward_passes, maps.backward_passes) == (1.0, 0.0)
    sanity = pd.read_csv(RESULTS / "sanity/shapes_cnn/ptame.seed1.csv")
    assert (sanity[["depth_1", "depth_50", "depth_100"]] == 1.0).all(axis=None), (
        "it looks at the classifier in training"
    )
    _edit(_auxiliary("shapes_cnn"))
    assert "made before the auxiliary classifier changed" in _refused(capsys, "scores", *PAIR)
    assert "but params.yaml says shapes_cnn (weights: default); train again" in _refused(capsys, "maps", *PAIR)
    _edit(_auxiliary("shapes_cn"))
    assert "unknown model 'shapes_cn'; did you mean 'shapes_cnn'" in _refused(capsys, "train", *PAIR)


@pytest.mark.slow
def test_other_weights_in_the_same_file_are_refused(prepared, capsys) -> None:
    prepared()
    state = load_file(WEIGHTS / "shapes_vit.safetensors")
    save_file(state, "reader.safetensors")
    model = {"model": "shapes_vit", "head": None, "layers": "auto", "target_layer": "auto", "outputs": "logits"}
    _edit(lambda params: params["models"].update(reader=model | {"weights": "reader.safetensors"}))
    _edit(_auxiliary("reader"))
    run("train", *PAIR)
    run("maps", *PAIR)
    save_file({name: tensor * 1.01 for name, tensor in state.items()}, "reader.safetensors")
    capsys.readouterr()
    assert "the file of the auxiliary classifier's weights changed" in _refused(capsys, "scores", *PAIR)
    assert "trained with other weights of the auxiliary classifier shapes_vit" in _refused(capsys, "maps", *PAIR)
    Path("reader.safetensors").unlink()
    assert "models.reader.weights: reader.safetensors: no such file" in _refused(capsys, "train", *PAIR)


@pytest.mark.slow
def test_a_training_that_ended_in_between_ends_with_the_same_checkpoint(prepared, monkeypatch) -> None:
    name = "results/tiny/attention/shapes_cnn/ptame.seed1.safetensors"
    unbroken = prepared("unbroken")
    run("train", *PAIR)
    killed = prepared("killed")
    step, done = AttentionTraining.step, 0

    def step_and_die(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        if done == 5:
            raise KeyboardInterrupt
        return step(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(AttentionTraining, "step", step_and_die)
        assert main(["train", *PAIR]) != 0
    assert not (killed / name).exists()
    assert list((killed / ".scratch").rglob("state.pt")), "the first epoch is kept"
    run("train", *PAIR)
    assert (killed / name).read_bytes() == (unbroken / name).read_bytes()


def test_the_plan_counts_its_passes(prepared, capsys) -> None:
    prepared()
    capsys.readouterr()
    run("plan")
    rows = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    found = {row[1]: row[5:8] for row in rows if len(row) > 6 and row[3] == "P-TAME"}
    assert found["train"] == ["48", "144", "48"], "the clean image, the masked one, and the auxiliary classifier's"
    assert found["maps"] == ["20", "20", "0"]
