"""The stages of the measures on ten images, through the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from ttame.cli.main import main
from ttame.measures import single_deletion
from ttame.measures.column import SILENT
from ttame.params.active import load_settings
from ttame.stages import sensitivity
from ttame.store.basis_file import read_basis
from ttame.store.scores_file import read_rows, write_scores
from ttame.store.undefined import undefined_reason

from .conftest import run
from .measured import MEASURES, METHODS, RESULTS, change, rows_of


@pytest.mark.slow
def test_every_measure_puts_the_truth_above_every_control(measured: Path) -> None:
    for measure, column, sign in (
        ("single_deletion", "single_deletion", 1),
        ("grid_pointing", "grid_pointing", 1),
        ("known_parts", "part_found", 1),
        ("known_parts", "idle_mass", -1),
    ):
        means = {method: sign * rows_of(method, measure)[column].mean() for method in METHODS}
        assert means["ground_truth"] > max(means["random"], means["everything_but_one"]), (measure, means)


def test_grids_and_parts_of_the_truth_are_perfect(measured: Path) -> None:
    assert rows_of("ground_truth", "grid_pointing")["grid_pointing"].eq(1).all()
    assert rows_of("everything_but_one", "grid_pointing")["grid_pointing"].to_numpy() == pytest.approx(0.25, abs=1e-3)
    assert rows_of("ground_truth", "known_parts")["idle_mass"].eq(0).all()


def test_the_drops_are_computed_once_with_17_passes_an_image(measured: Path, forward_passes: list[int]) -> None:
    forward_passes.clear()
    shutil.rmtree(RESULTS / "basis")
    run("basis", "shapes_cnn", "single_deletion")
    construction = sum(forward_passes) - 17 * 40
    assert 0 <= construction <= 4, "the classifier is tried on an image or two when it is opened"
    forward_passes.clear()
    for method in METHODS:
        run("measure", "shapes_cnn", method, "single_deletion")
    assert sum(forward_passes) <= construction * len(METHODS), "no pass for a method"


@pytest.mark.slow
def test_batches_change_no_row(measured: Path) -> None:
    before = {pair: rows_of(*pair) for pair in ((method, measure) for method in METHODS for measure in MEASURES)}
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["execution"]["batch_size"] = 7
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for measure in MEASURES:
        run("basis", "shapes_cnn", measure)
        run("measure", "shapes_cnn", "gradcam", measure)
        pd.testing.assert_frame_equal(rows_of("gradcam", measure), before["gradcam", measure], atol=1e-5)


def test_tables_have_the_measures_and_what_they_can_tell(measured: Path) -> None:
    results = pd.read_csv(RESULTS / "tables/results.csv").set_index("method")
    assert results.loc["ground_truth", "grid_pointing"] == 100
    assert results.loc["gradcam", "single_deletion"] == pytest.approx(
        rows_of("gradcam", "single_deletion").iloc[:, 1].mean()
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


def test_tables_count_maps_that_say_nothing(measured: Path) -> None:
    path = RESULTS / "measures/shapes_cnn/single_deletion/gradcam.parquet"
    table, origin = read_rows(path, "measure")
    assert not table[SILENT].any()
    write_scores(path, table.assign(**{SILENT: [1.0] * 10 + [0.0] * 30}), origin or {})
    run("sensitivity", "shapes_cnn")
    run("tables")
    said = "Single deletion: 40 images; maps that tell it nothing count as 0: Grad-CAM 25.0 %."
    assert said in (RESULTS / "tables/results.md").read_text()


def test_noise_makes_the_new_measures_worse(measured: Path) -> None:
    rows = pd.read_csv(RESULTS / "sensitivity/shapes_cnn.csv")
    assert set(rows["method"]) == {"gradcam"}
    means = rows.pivot(index="noise", columns="column", values="mean")
    assert means["single_deletion"].iloc[-1] < means["single_deletion"].iloc[0]
    assert means["part_found"].iloc[-1] < means["part_found"].iloc[0]
    whole = pd.read_csv(RESULTS / "tables/results.csv").set_index("method").loc["gradcam"]
    assert {"ad_100", "road_morf", "road_lerf", "insertion", "deletion", "mass_inside", "idle_mass"} <= {*means}
    assert dict(means.loc[0]) == pytest.approx(dict(whole[means.columns]), abs=1e-3)


def test_every_column_is_asked_about_the_methods_that_it_calls_the_best(measured: Path, monkeypatch) -> None:
    tables = {
        "gradcam": pd.DataFrame({"part_found": [1.0, 0.0], "idle_mass": [0.9, 0.9]}),
        "rise": pd.DataFrame({"part_found": [0.0, 0.0], "idle_mass": [0.1, 0.2]}),
        "random": pd.DataFrame({"part_found": [0.2, 0.2], "idle_mass": [0.9, 0.9]}),
    }
    monkeypatch.setattr(sensitivity, "read_measures", lambda *_: {"known_parts": tables})
    scores = {
        "gradcam": pd.DataFrame({"ad_100": [1, 2], "road_lerf": [80, 82], "adcc": [70, 60]}),
        "rise": pd.concat(
            {2: pd.DataFrame({"ad_100": [3, 3]}), 7: pd.DataFrame({"ad_100": [3, 3], "road_lerf": [99, 79]})},
            names=["seed"],
        ),
        "random": pd.DataFrame({"ad_100": [60, 70], "road_lerf": [50, 50], "adcc": [10, 20]}),
    }
    monkeypatch.setattr(sensitivity, "read_scores", lambda *_, **__: (scores, []))
    monkeypatch.setattr(sensitivity, "qualities", lambda table, _: table)
    settings = load_settings(Path("params.yaml"))
    one = settings.model_copy(update={"sensitivity": settings.sensitivity.model_copy(update={"methods": 1})})
    asked = sensitivity._best_of_each(one, "shapes_cnn")
    keys = {pair: [column.key for column in columns] for pair, columns in asked.items()}
    assert keys == {
        ("scores", ("gradcam", None)): ["ad_100"],
        ("scores", ("rise", 7)): ["road_lerf"],
        ("known_parts", ("gradcam", None)): ["part_found"],
        ("known_parts", ("rise", None)): ["idle_mass"],
    }, "no control, the best seed, and ADCC would need the method to run again"


def test_a_killed_sensitivity_goes_on(measured: Path, monkeypatch) -> None:
    path = RESULTS / "sensitivity/shapes_cnn.csv"
    whole = path.read_text()
    path.unlink()
    steps: list[int] = []
    mixed = sensitivity.mixed

    def dies(maps, units, noise, seed):
        steps.append(noise)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return mixed(maps, units, noise, seed)

    monkeypatch.setattr(sensitivity, "mixed", dies)
    assert main(["sensitivity", "shapes_cnn"]) != 0
    run("sensitivity", "shapes_cnn")
    assert len(steps) == 7 + 9, "six steps of 15 were kept"
    assert path.read_text() == whole


def test_a_basis_of_other_options_is_refused(measured: Path, capsys) -> None:
    change(single_deletion={"fill": "blur"})
    assert main(["measure", "shapes_cnn", "gradcam", "single_deletion"]) == 1
    assert "made before measures.single_deletion changed; run `python -m ttame basis" in capsys.readouterr().err
    assert main(["tables"]) == 1
    assert "changed; run" in capsys.readouterr().err


def test_measures_of_other_maps_are_refused(measured: Path, capsys) -> None:
    path = RESULTS / "maps/shapes_cnn/gradcam.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + bytes(4))
    assert main(["tables"]) == 1
    assert "made before" in capsys.readouterr().err


def test_too_few_classes_leave_the_grids_out_with_a_line(measured: Path, capsys) -> None:
    change(grid_pointing={"confidence": 0.9999})
    run("basis", "shapes_cnn", "grid_pointing")
    assert "a grid takes four" in str(undefined_reason(RESULTS / "basis/shapes_cnn/grid_pointing.safetensors"))
    for method in METHODS:
        run("measure", "shapes_cnn", method, "grid_pointing")
    run("sensitivity", "shapes_cnn")
    run("tables")
    assert (
        "Grid pointing game is left out: grid_pointing is not defined on shapes_cnn: of 40"
        in (RESULTS / "tables/results.md").read_text()
    )
    assert "grid_pointing" not in pd.read_csv(RESULTS / "tables/results.csv").columns


def test_an_input_that_cannot_be_cut_is_left_out_with_a_line(measured: Path) -> None:
    change(single_deletion={"cells": 5})
    run("basis", "shapes_cnn", "single_deletion")
    reason = str(undefined_reason(RESULTS / "basis/shapes_cnn/single_deletion.safetensors"))
    assert "input of 64 x 64 pixels cannot be cut into 5 x 5 equal cells" in reason


def test_a_killed_basis_goes_on(measured: Path, monkeypatch) -> None:
    whole = read_basis(RESULTS / "basis/shapes_cnn/single_deletion.safetensors", "")
    (RESULTS / "basis/shapes_cnn/single_deletion.safetensors").unlink()
    drops, calls = single_deletion.cell_drops, []

    def dies(logits_of, clean, options):
        calls.append(len(clean))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return drops(logits_of, clean, options)

    monkeypatch.setattr(single_deletion, "cell_drops", dies)
    assert main(["basis", "shapes_cnn", "single_deletion"]) != 0
    run("basis", "shapes_cnn", "single_deletion")
    assert len(calls) == 4 + 7, "three of ten batches were kept"
    again = read_basis(RESULTS / "basis/shapes_cnn/single_deletion.safetensors", "")
    assert torch.equal(again.tensors["drops"], whole.tensors["drops"])


def test_a_method_without_scores_has_no_row_though_it_was_measured(measured: Path) -> None:
    (RESULTS / "scores/shapes_cnn/gradcam.parquet").unlink()
    run("sensitivity", "shapes_cnn")
    run("tables")
    assert "gradcam" not in set(pd.read_csv(RESULTS / "tables/statistics.csv")["method"])
    run("page")


def test_other_training_images_are_another_judge(measured: Path, capsys) -> None:
    change(judged_fidelity={"steps": 1, "batch_size": 1, "learning_rate": 1e-30, "draws": 1})
    run("basis", "shapes_cnn", "judged_fidelity")
    path = RESULTS / "datalists/train.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[::-1]))
    assert main(["measure", "shapes_cnn", "gradcam", "judged_fidelity"]) == 1
    assert "made before the training list changed" in capsys.readouterr().err


def test_the_tables_say_how_far_the_classifier_sees_its_classes_in_the_grids(measured: Path) -> None:
    basis = read_basis(RESULTS / "basis/shapes_cnn/grid_pointing.safetensors", "")
    assert "without its own cell the logit of a class falls most in" in basis.note
    assert f"grids; {basis.note}." in (RESULTS / "tables/results.md").read_text()
