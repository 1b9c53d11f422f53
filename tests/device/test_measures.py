"""Measures, from their bases to what they say of a method, as if on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from tests.device.accelerator import DEVICE, OnDevice
from tests.stages.conftest import run
from tests.stages.measured import EVERY, change
from ttame.measures.measure import make_measure
from ttame.params.active import load_settings
from ttame.stages.method import Method
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.scratch import Scratch

JUDGE = {"steps": 3, "batch_size": 4, "draws": 2, "shares": [30]}


@pytest.fixture
def subjects(experiment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> tuple[Subject, Subject]:
    """A classifier and its images on the CPU, and both on the device."""
    experiment(batch_size=8)
    change(judged_fidelity=JUDGE, grid_pointing={"grids": 3, "confidence": 0.0})
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["data"]["counts"]["evaluation"] = 16
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    run("maps", "shapes_cnn", "gradcam")
    settings = load_settings(Path("params.yaml"))
    here = Subject(settings, "shapes_cnn")
    monkeypatch.setattr("ttame.stages.subject.select_device", lambda execution: DEVICE)
    return here, Subject(settings, "shapes_cnn")


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # it copies all the same
@pytest.mark.parametrize("name", EVERY)
def test_measures_say_what_they_say_on_the_cpu(name: str, subjects: tuple[Subject, Subject], tmp_path: Path) -> None:
    found = []
    for place, subject in enumerate(subjects):
        measure = make_measure(name, subject.settings)
        basis = measure.prepare(subject, Scratch(tmp_path / f"{place}.basis", {}))
        maps = measure.maps(subject, Method(subject, "gradcam", None), basis, Scratch(tmp_path / f"{place}.maps", {}))
        said = measure.judge(subject, measure.normalise(maps), basis, Scratch(tmp_path / f"{place}.judged", {}))
        assert not any(isinstance(tensor, OnDevice) for tensor in [*basis.tensors.values(), *said.values()])
        found.append((basis, said))
    (basis, said), (other_basis, other) = found
    _same_basis(basis, other_basis)
    assert said.keys() == other.keys()
    for column, values in said.items():
        assert torch.isfinite(values.double()).all()
        torch.testing.assert_close(other[column], values, atol=1e-4, rtol=1e-4)


def _same_basis(one: Basis, other: Basis) -> None:
    assert (one.units, one.note) == (other.units, other.note)
    for mine, theirs in ((one.tensors, other.tensors), (one.weights, other.weights)):
        assert mine.keys() == theirs.keys()
        for name, tensor in mine.items():
            torch.testing.assert_close(theirs[name], tensor, atol=1e-4, rtol=1e-4, equal_nan=True)
