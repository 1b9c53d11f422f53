"""The stages of the measures on ten images, through the command line."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.cli.main import main
from ttame.measures.single_deletion import SingleDeletion
from ttame.metrics.masking import saliency_map
from ttame.params.active import load_settings
from ttame.params.measures import MeasureSettings
from ttame.runtime.seeding import image_seed
from ttame.stages.subject import Subject
from ttame.store.basis_file import read_basis
from ttame.store.maps_file import read_maps
from ttame.store.undefined import reason_of

from ..conftest import REPOSITORY
from .conftest import run, tiny_params

RESULTS = Path("results/tiny")
METHODS = ("ground_truth", "random", "everything_but_one", "gradcam")
MEASURES = ["single_deletion", "grid_pointing", "known_parts"]
EVERY = [*MEASURES, "judged_fidelity"]


def _change(**options: Mapping[str, Any]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"] = {"training_free": list(METHODS), "trained": []}
    params["data"]["counts"]["evaluation"] = 40
    params["measures"] = MeasureSettings(taken=EVERY if "judged_fidelity" in options else MEASURES).model_dump()
    params["measures"]["grid_pointing"]["confidence"] = 0.5
    for measure, changed in options.items():
        params["measures"][measure] |= changed
    params["metrics"]["coherency"] = False
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """An experiment with all measures, up to the tables."""
    folder: Path = tmp_path_factory.mktemp("measures")
    params = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _change()
        run("datalists")
        for measure in MEASURES:
            run("basis", "shapes_cnn", measure)
        for method in METHODS:
            run("maps", "shapes_cnn", method)
            run("scores", "shapes_cnn", method)
            for measure in MEASURES:
                run("measure", "shapes_cnn", method, measure)
        run("sensitivity", "shapes_cnn")
        run("tables")
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of the finished experiment, entered."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def _rows(method: str, measure: str) -> pd.DataFrame:
    return pd.read_parquet(RESULTS / f"measures/shapes_cnn/{measure}/{method}.parquet")


def test_every_measure_puts_the_truth_above_every_control(folder: Path) -> None:
    for measure, column, sign in (
        ("single_deletion", "single_deletion", 1),
        ("grid_pointing", "grid_pointing", 1),
        ("known_parts", "part_found", 1),
        ("known_parts", "idle_mass", -1),
    ):
        means = {method: sign * _rows(method, measure)[column].mean() for method in METHODS}
        assert means["ground_truth"] > max(means["random"], means["everything_but_one"]), (measure, means)


def test_grids_and_parts_of_the_truth_are_perfect(folder: Path) -> None:
    assert _rows("ground_truth", "grid_pointing")["grid_pointing"].eq(1).all()
    assert _rows("everything_but_one", "grid_pointing")["grid_pointing"].to_numpy() == pytest.approx(0.25, abs=1e-3)
    assert _rows("ground_truth", "known_parts")["idle_mass"].eq(0).all()


def test_the_drops_are_computed_once_with_17_passes_an_image(folder: Path, monkeypatch) -> None:
    seen: list[int] = []
    forward = Backbone.forward

    def count(backbone: Backbone, images: Tensor) -> Tensor:
        seen.append(len(images))
        return forward(backbone, images)

    monkeypatch.setattr(Backbone, "forward", count)
    shutil.rmtree(RESULTS / "basis")
    run("basis", "shapes_cnn", "single_deletion")
    construction = sum(seen) - 17 * 40
    assert 0 <= construction <= 4, "the classifier is tried on an image or two when it is opened"
    seen.clear()
    for method in METHODS:
        run("measure", "shapes_cnn", method, "single_deletion")
    assert sum(seen) <= construction * len(METHODS), "no pass for a method"


def test_batches_change_no_row(folder: Path) -> None:
    before = {pair: _rows(*pair) for pair in ((method, measure) for method in METHODS for measure in MEASURES)}
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["execution"]["batch_size"] = 7
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for measure in MEASURES:
        run("basis", "shapes_cnn", measure)
        run("measure", "shapes_cnn", "gradcam", measure)
        pd.testing.assert_frame_equal(_rows("gradcam", measure), before["gradcam", measure], atol=1e-5)


def test_tables_have_the_measures_and_what_they_can_tell(folder: Path) -> None:
    results = pd.read_csv(RESULTS / "tables/results.csv").set_index("method")
    assert results.loc["ground_truth", "grid_pointing"] == 100
    assert results.loc["gradcam", "single_deletion"] == pytest.approx(
        _rows("gradcam", "single_deletion").iloc[:, 1].mean()
    )
    checks = pd.read_csv(RESULTS / "tables/measures.csv").set_index("measure")
    assert checks.loc["ad_100", "truth_first"] == 0
    assert checks.loc["single_deletion", "truth_first"] == 1
    statistics = pd.read_csv(RESULTS / "tables/statistics.csv")
    found = statistics[(statistics["column"] == "grid_pointing") & (statistics["method"] == "random")].iloc[0]
    assert found["low"] < found["mean"] < found["high"]
    text = (RESULTS / "tables/results.md").read_text()
    assert "Grid pointing game:" in text
    assert "do not rank by it" in text


def test_noise_makes_the_new_measures_worse(folder: Path) -> None:
    rows = pd.read_csv(RESULTS / "sensitivity/shapes_cnn.csv")
    assert set(rows["method"]) == {"gradcam"}
    means = rows.pivot(index="noise", columns="column", values="mean")
    assert means["single_deletion"].iloc[-1] < means["single_deletion"].iloc[0]
    assert means["part_found"].iloc[-1] < means["part_found"].iloc[0]
    whole = pd.read_csv(RESULTS / "tables/results.csv").set_index("method")
    assert means["grid_pointing"][0] == pytest.approx(whole.loc["gradcam", "grid_pointing"], abs=30)


def test_a_basis_of_other_options_is_refused(folder: Path, capsys) -> None:
    _change(single_deletion={"fill": "blur"})
    assert main(["measure", "shapes_cnn", "gradcam", "single_deletion"]) == 1
    assert "made before measures.single_deletion changed; run `python -m ttame basis" in capsys.readouterr().err
    assert main(["tables"]) == 1
    assert "changed; run" in capsys.readouterr().err


def test_measures_of_other_maps_are_refused(folder: Path, capsys) -> None:
    path = RESULTS / "maps/shapes_cnn/gradcam.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + bytes(4))
    assert main(["tables"]) == 1
    assert "made before" in capsys.readouterr().err


def test_too_few_classes_leave_the_grids_out_with_a_line(folder: Path, capsys) -> None:
    _change(grid_pointing={"confidence": 0.9999})
    run("basis", "shapes_cnn", "grid_pointing")
    assert "a grid takes four" in str(reason_of(RESULTS / "basis/shapes_cnn/grid_pointing.safetensors"))
    for method in METHODS:
        run("measure", "shapes_cnn", method, "grid_pointing")
    run("sensitivity", "shapes_cnn")
    run("tables")
    assert (
        "Grid pointing game is left out: grid_pointing is not defined on shapes_cnn: of 40"
        in (RESULTS / "tables/results.md").read_text()
    )
    assert "grid_pointing" not in pd.read_csv(RESULTS / "tables/results.csv").columns


def test_an_input_that_cannot_be_cut_is_left_out_with_a_line(folder: Path) -> None:
    _change(single_deletion={"cells": 5})
    run("basis", "shapes_cnn", "single_deletion")
    reason = str(reason_of(RESULTS / "basis/shapes_cnn/single_deletion.safetensors"))
    assert "input of 64 x 64 pixels cannot be cut into 5 x 5 equal cells" in reason


def test_a_killed_basis_goes_on(folder: Path, monkeypatch) -> None:
    whole = read_basis(RESULTS / "basis/shapes_cnn/single_deletion.safetensors", "")
    (RESULTS / "basis/shapes_cnn/single_deletion.safetensors").unlink()
    drops, calls = SingleDeletion._drops, []

    def dies(self, subject, clean):
        calls.append(len(clean))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return drops(self, subject, clean)

    monkeypatch.setattr(SingleDeletion, "_drops", dies)
    assert main(["basis", "shapes_cnn", "single_deletion"]) != 0
    run("basis", "shapes_cnn", "single_deletion")
    assert len(calls) == 4 + 7, "three of ten batches were kept"
    again = read_basis(RESULTS / "basis/shapes_cnn/single_deletion.safetensors", "")
    assert torch.equal(again.tensors["drops"], whole.tensors["drops"])


def test_a_map_that_says_nothing_counts_as_zero(folder: Path) -> None:
    rows = _rows("everything_but_one", "single_deletion")["single_deletion"]
    assert np.isfinite(rows).all()


def test_the_tables_say_how_far_the_classifier_sees_its_classes_in_the_grids(folder: Path) -> None:
    basis = read_basis(RESULTS / "basis/shapes_cnn/grid_pointing.safetensors", "")
    assert "without its own cell the logit of a class falls most in" in basis.note
    assert f"grids; {basis.note}." in (RESULTS / "tables/results.md").read_text()


def test_a_judge_that_learns_nothing_is_left_out_with_a_line(folder: Path) -> None:
    _change(judged_fidelity={"steps": 2, "batch_size": 4, "learning_rate": 1.0, "draws": 2})
    run("basis", "shapes_cnn", "judged_fidelity")
    reason = str(reason_of(RESULTS / "basis/shapes_cnn/judged_fidelity.safetensors"))
    assert "give measures.judged_fidelity more steps or another learning_rate" in reason


def test_a_judge_that_stays_as_it_is_gives_the_loops_fidelity(folder: Path) -> None:
    """With a rate of nearly nothing the judge is the classifier, and every removal can be made again by hand."""
    _change(judged_fidelity={"steps": 1, "batch_size": 1, "learning_rate": 1e-30, "draws": 3, "shares": [20, 60]})
    run("basis", "shapes_cnn", "judged_fidelity")
    run("measure", "shapes_cnn", "gradcam", "judged_fidelity")
    rows = _rows("gradcam", "judged_fidelity")
    settings = load_settings(Path("params.yaml"))
    subject = Subject(settings, "shapes_cnn")
    maps = read_maps(RESULTS / "maps/shapes_cnn/gradcam.safetensors")
    for place in (0, 17):
        image = subject.backbone.normalise(next(subject.images.load([[place]])))
        saliency = saliency_map(maps.maps[place][None], (64, 64))[0]
        order = sorted(range(4096), key=lambda pixel: (-saliency.flatten()[pixel].item(), pixel))
        random = np.random.default_rng(image_seed(1, maps.names[place]))
        lost: dict[str, list[float]] = {"fid_plus": [], "fid_minus": []}
        for share in (20, 60):
            top = round(4096 * share / 100)
            for column, chosen in (("fid_plus", order[:top]), ("fid_minus", order[top:])):
                for _ in range(3):
                    less = image.clone()
                    for pick in random.permutation(len(chosen))[: min(len(chosen) // 2, int(0.1 * 4096))]:
                        row, across = divmod(chosen[pick], 64)
                        less[0, :, row, across] = 0
                    lost[column].append(1.0 - float(subject.logits(less).argmax().item() == maps.targets[place].item()))
        for column, values in lost.items():
            assert rows[column][place] == pytest.approx(np.mean(values)), (place, column)
