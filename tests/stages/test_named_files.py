"""A file that the params name is known by what it holds, to both engines and to what was made with it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from ttame.attention.checkpoint import TrainedMechanism, make_network, save_checkpoint
from ttame.backbones import shapes
from ttame.backbones.loading import load_backbone
from ttame.cli.main import main
from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.params.contents import named_files
from ttame.params.planned import digest, values_read
from ttame.params.settings import ModelSettings
from ttame.stages import specifications

from ..conftest import REPOSITORY
from .conftest import run

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
READ_BY = {
    "classifier": ["truths", "scores", "scores_trained", "basis", "sensitivity"],
    "pair": ["train", "maps", "maps_trained", "sanity", "sanity_trained", "measure", "measure_trained"],
}
"""Stages that read what a classifier is, and what a pair is."""


@pytest.fixture
def named(experiment: Callable[..., Path]) -> Path:
    """An experiment with weights and an imported checkpoint of its own."""
    folder = experiment()
    Path("models").mkdir()
    shutil.copy(shapes.WEIGHTS / "shapes_cnn.safetensors", "models/cnn.safetensors")
    backbone = load_backbone("shapes_cnn", ModelSettings(model="shapes_cnn"))
    network = make_network(backbone, "ttame", backbone.layers)
    counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
    save_checkpoint(
        Path("models/ttame.1.safetensors"), TrainedMechanism(network, list(backbone.layers), counts), backbone, "ttame"
    )
    _edit(lambda params: params["models"]["shapes_cnn"].update(weights="models/cnn.safetensors"))
    _edit(
        lambda params: params["attention"]["ttame"].update(
            checkpoints={"shapes_cnn": "models/ttame.{seed}.safetensors"}
        )
    )
    return folder


def _edit(change: Callable[[dict[str, Any]], object]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    change(params)
    Path("params.yaml").write_text(yaml.safe_dump(params))


def _other_bytes(path: Path) -> None:
    """The same tensors but for the smallest change of one."""
    state = load_file(path)
    name = sorted(name for name, tensor in state.items() if tensor.is_floating_point())[0]
    state[name] = state[name] + 1e-3
    save_file(state, path)


def _planned(method: str = "center") -> dict[str, str]:
    """What Snakemake compares, of every stage that reads a classifier or a pair."""
    settings, found = load_settings(), {}
    for stage in [*READ_BY["classifier"], *READ_BY["pair"]]:
        words = {"backbone": "shapes_cnn", "method": "ttame" if "train" in stage else method}
        words |= {"measure": "single_deletion", "seed": "1", "experiment": "tiny"}
        found[stage] = digest(values_read(STAGES[stage], settings, words))
    return found


def _specified() -> dict[str, str]:
    """What DVC compares: the files of the first stage."""
    run("specifications")
    folder = Path("results/tiny/specifications/shapes_cnn")
    return {path.stem: path.read_text() for path in sorted(folder.iterdir())}


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name, value in after.items() if before[name] != value}


def test_other_weights_under_the_same_name_make_everything_of_the_classifier_stale(named: Path) -> None:
    planned, specified = _planned(), _specified()
    assert set(specified) == {"classifier", "random", "center", "gradcam", "ttame"}
    _other_bytes(Path("models/cnn.safetensors"))
    assert _changed(planned, _planned()) == set(planned)
    assert _changed(specified, _specified()) == set(specified)


def test_another_checkpoint_under_the_same_name_makes_its_method_stale(named: Path) -> None:
    planned, specified = _planned(), _specified()
    Path("models/ttame.1.safetensors").write_bytes(b"another")
    assert _changed(planned, _planned()) == {"train", "maps_trained", "sanity_trained", "measure_trained"}
    assert _changed(specified, _specified()) == {"ttame"}


def test_a_file_that_is_written_again_is_the_same(named: Path) -> None:
    planned, specified = _planned(), _specified()
    weights = Path("models/cnn.safetensors")
    weights.write_bytes(weights.read_bytes())
    assert _planned() == planned
    assert _specified() == specified


def test_a_folder_and_a_head_are_known_by_content(experiment) -> None:
    from ..tiny_models import save_clip

    experiment()
    save_clip(Path("clip"))
    Path("head.safetensors").write_bytes(b"first")
    _edit(lambda params: params["models"]["shapes_cnn"].update(model="hf:clip", head="head.safetensors"))
    assert named_files(load_settings()) == {
        "models.shapes_cnn.model": Path("clip"),
        "models.shapes_cnn.head": Path("head.safetensors"),
    }
    planned = _planned()
    Path("head.safetensors").write_bytes(b"other")
    with_head = _planned()
    _other_bytes(Path("clip/model.safetensors"))
    assert _changed(planned, with_head) == _changed(with_head, _planned()) == set(planned)


def test_an_auxiliary_classifier_is_known_by_content(experiment) -> None:
    experiment()
    shutil.copy(shapes.WEIGHTS / "shapes_cnn.safetensors", "other.safetensors")

    def change(params: dict[str, Any]) -> None:
        params["methods"]["trained"] = ["ptame"]
        params["attention"]["ptame"] = params["attention"].pop("ttame")
        params["attention"]["ptame"]["mechanism"]["auxiliary"] = "other"
        params["models"]["other"] = params["models"]["shapes_cnn"] | {"weights": "other.safetensors"}

    _edit(change)
    specified = _specified()
    _other_bytes(Path("other.safetensors"))
    assert _changed(specified, _specified()) == {"ptame"}


def test_a_stage_refuses_what_was_made_with_other_bytes(named: Path, capsys) -> None:
    run("datalists")
    run("maps", "shapes_cnn", "center")
    _other_bytes(Path("models/cnn.safetensors"))
    capsys.readouterr()
    assert main(["scores", "shapes_cnn", "center"]) == 1
    assert "made before the file of the weights changed; run `python -m ttame maps" in capsys.readouterr().err


def test_maps_of_an_imported_checkpoint_that_changed_are_refused(named: Path, capsys) -> None:
    run("datalists")
    for stage in ("train", "maps"):
        run(stage, "shapes_cnn", "ttame")
    _other_bytes(Path("models/ttame.1.safetensors"))
    capsys.readouterr()
    assert main(["scores", "shapes_cnn", "ttame"]) == 1
    assert "made before the imported checkpoint changed; run `python -m ttame maps" in capsys.readouterr().err


def test_a_result_without_the_file_that_made_it_is_no_other(named: Path) -> None:
    """Pulled results can be read where the weights are not."""
    _edit(lambda params: params["methods"].update(training_free=["center"], trained=[]))
    run("datalists")
    run("maps", "shapes_cnn", "center")
    Path("models/cnn.safetensors").unlink()
    run("figure", "shapes_cnn")


def test_a_name_that_no_file_can_have_is_none(experiment, capsys) -> None:
    experiment()
    _edit(lambda params: params["models"]["shapes_cnn"].update(weights="w" * 5000))
    assert _planned()
    assert main(["specifications"]) == 1
    assert "no such file" in capsys.readouterr().err


@pytest.mark.parametrize("file", ["cnn", "ttame.1"])
def test_a_file_that_is_missing_is_said_before_anything_runs(named: Path, capsys, file: str) -> None:
    Path(f"models/{file}.safetensors").unlink()
    assert main(["specifications"]) == 1
    assert f"models/{file}.safetensors: no such file; put it there, or name another" in capsys.readouterr().err


def test_dvc_takes_files_from_the_folder_that_it_watches(named: Path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "specifications@tiny")
    specifications.run(load_settings())
    shutil.move("models/cnn.safetensors", "cnn.safetensors")
    Path("models/cnn.safetensors").symlink_to("../cnn.safetensors")  # whose target DVC would not see change
    with pytest.raises(TTameError, match=r"^models\.shapes_cnn\.weights: models/cnn.* it watches models/ alone"):
        specifications.run(load_settings())
