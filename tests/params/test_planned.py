"""No result is recorded under values that did not make it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ttame.cli.main import main
from ttame.params import planned
from ttame.params.active import load_settings
from ttame.stages import datalists, maps

from ..conftest import REPOSITORY
from ..stages.conftest import experiment, run

__all__ = ["experiment"]

STAGES = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]


def _edit(old: str, new: str) -> None:
    text = Path("params.yaml").read_text()
    assert old in text
    Path("params.yaml").write_text(text.replace(old, new))


def _edited_during(monkeypatch, module: object, old: str, new: str) -> None:
    work = module.run  # type: ignore[attr-defined]

    def edit_then_work(*arguments: object) -> None:
        _edit(old, new)
        work(*arguments)

    monkeypatch.setattr(module, "run", edit_then_work)


@pytest.fixture
def ready(experiment: Callable[..., Path]) -> Path:
    folder = experiment()
    (folder / "dvc.yaml").write_bytes((REPOSITORY / "dvc.yaml").read_bytes())
    run("datalists")
    return folder


def test_a_key_edited_while_its_stage_runs_leaves_no_result(ready: Path, monkeypatch, capsys) -> None:
    _edited_during(monkeypatch, maps, "sigma: 0.25", "sigma: 0.3")
    assert main(["maps", "shapes_cnn", "center"]) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("ttame: params.yaml: specification edited while maps shapes_cnn center ran, so results/")
    assert not (ready / "results/tiny/maps/shapes_cnn/center.safetensors").exists()


def test_a_key_that_the_stage_does_not_read_may_be_edited(ready: Path, monkeypatch) -> None:
    _edited_during(monkeypatch, maps, "noise: 0.01", "noise: 0.02")
    run("maps", "shapes_cnn", "center")
    assert (ready / "results/tiny/maps/shapes_cnn/center.safetensors").exists()


def test_without_a_dag_every_key_counts(ready: Path, monkeypatch, capsys) -> None:
    (ready / "dvc.yaml").unlink()
    planned._stages.cache_clear()
    _edited_during(monkeypatch, datalists, "noise: 0.01", "noise: 0.02")
    assert main(["datalists"]) == 1
    assert "metrics edited while datalists ran" in capsys.readouterr().err


def test_a_job_planned_with_other_values_does_not_start(ready: Path, monkeypatch, capsys) -> None:
    pair = {"backbone": "shapes_cnn", "method": "center"}
    value = planned.digest(planned.values_read(STAGES["maps"], load_settings(), pair))
    monkeypatch.setenv(planned.PLANNED, value)
    run("maps", *pair.values())
    _edit("sigma: 0.25", "sigma: 0.3")
    assert main(["maps", *pair.values()]) == 1
    assert "edited after maps shapes_cnn center was planned; start the engine again" in capsys.readouterr().err
