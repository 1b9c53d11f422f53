from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from ttame.measures.column import Column
from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation, evaluate
from ttame.report.measure_checks import agreement, check_measures, resolution
from ttame.report.measure_tables import checks_table, recommendation
from ttame.report.statistics import holm
from ttame.store.checks_file import read_checks, write_agreement, write_checks

from .results_by_hand import write_scores

METRICS = MetricSettings(road=RoadSettings(shares=[10, 70]), insertion_deletion=CurveSettings(steps=4), coherency=False)
METHODS = ["ground_truth", "random", "everything_but_one", "gradcam", "rise", "ttame"]
COLUMNS = [column for column in quality_columns(METRICS) if column.key in ("deletion", "insertion", "single_deletion")]


@pytest.fixture
def evaluation(tmp_path: Path) -> Evaluation:
    """Insertion is won by everything but one; deletion has the order of the list; single deletion is of 12 grids."""
    names, scores = [str(number) for number in range(30)], {}
    for seed, method in enumerate(METHODS):
        write_scores(tmp_path / "scores.parquet", names, seed)
        scores[method] = pd.read_parquet(tmp_path / "scores.parquet")
        scores[method]["deletion"] = 0.1 * seed + 0.01 * np.random.default_rng(seed).random(30)
    scores["everything_but_one"]["insertion"] = 1.0
    random = np.random.default_rng(0)
    judged = {method: pd.DataFrame({"single_deletion": random.normal(size=12)}) for method in METHODS}
    return evaluate(scores, METRICS, ReportSettings(resamples=500), {"single_deletion": judged})


def _noise(**slopes: float) -> pd.DataFrame:
    rows = [["rise", noise, key, slope * noise] for key, slope in slopes.items() for noise in (0, 25, 50, 75, 100)]
    return pd.DataFrame(rows, columns=["method", "noise", "column", "mean"])


def test_checks_by_hand(evaluation: Evaluation) -> None:
    checks = check_measures(evaluation, COLUMNS, _noise(deletion=1.0, insertion=-1.0, single_deletion=1.0))
    assert checks.loc["deletion", "resolution"] == 100
    assert checks.loc["deletion", "sensitivity"] == 1, "lower is better, and noise raised it"
    assert checks.loc["insertion", "sensitivity"] == 1, "higher is better, and noise lowered it"
    assert checks.loc["single_deletion", "sensitivity"] == -1
    assert checks.loc["deletion", "truth_first"] == 1
    assert checks.loc["insertion", "truth_first"] == 0
    assert checks.loc["insertion", "fooled"] == 100
    assert checks.loc["deletion", "fooled"] == 100, "every method comes after it in the list"
    assert str(checks.loc["insertion", "objection"]).startswith(
        "prefers everything but one to 100 % of the methods, puts"
    )
    assert "does not get steadily worse with noise (tau -1.00)" in str(checks.loc["single_deletion", "objection"])


def test_a_measure_that_noise_does_not_move_is_told(evaluation: Evaluation) -> None:
    checks = check_measures(evaluation, COLUMNS, _noise(deletion=0.0, insertion=-1.0))
    assert checks.loc["deletion", "sensitivity"] == 0
    assert "does not get steadily worse with noise (tau 0.00)" in str(checks.loc["deletion", "objection"])
    assert np.isnan(checks["sensitivity"]["single_deletion"]), "it was not tried"
    assert "was not tried with noise" in str(checks.loc["single_deletion", "objection"])


def test_a_measure_that_calls_no_method_better_than_noise_is_told(evaluation: Evaluation) -> None:
    scores = {name: table.copy() for name, table in evaluation.scores.items()}
    scores["random"]["deletion"] = 0.0
    worst = evaluate(scores, METRICS, evaluation.report)
    checks = check_measures(worst, COLUMNS, _noise(insertion=-1.0))
    assert "calls no method better than noise" in str(checks.loc["deletion", "objection"])
    assert "was not tried" not in str(checks.loc["deletion", "objection"])


def test_a_control_without_a_measure_is_no_verdict_on_it(evaluation: Evaluation) -> None:
    judged = {name: table for name, table in evaluation.measured["single_deletion"].items() if name != "random"}
    partly = evaluate(evaluation.scores, METRICS, evaluation.report, {"single_deletion": judged})
    checks = check_measures(partly, COLUMNS, _noise(deletion=1.0))
    worth = {name: table["single_deletion"].mean() for name, table in judged.items()}
    assert checks.loc["single_deletion", "truth_first"] == (worth["ground_truth"] > worth["everything_but_one"])
    assert "was not tried with noise" in str(checks.loc["single_deletion", "objection"])


def test_resolution_is_holm_over_all_pairs_of_methods() -> None:
    random = np.random.default_rng(1)
    values = {
        name: pd.DataFrame({"ad": random.normal(shift, 1, 10)})
        for name, shift in (("gradcam", 0), ("rise", 1.5), ("ttame", 0.2), ("random", 50))
    }
    p_values = []
    for one, other in (("gradcam", "rise"), ("gradcam", "ttame"), ("rise", "ttame")):
        difference = values[one]["ad"].to_numpy() - values[other]["ad"].to_numpy()
        p_values.append(permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue)
    expected = 100 * np.mean(holm(np.array(p_values)) <= 0.05)
    assert 0 < expected < 100, "a case that tells something"
    assert resolution(values, ["ad"], 10_000, 1)["ad"] == pytest.approx(expected)


def test_one_image_has_no_resolution() -> None:
    values = {name: pd.DataFrame({"ad": [float(place)]}) for place, name in enumerate(("gradcam", "rise"))}
    assert np.isnan(resolution(values, ["ad"], 100, 1)["ad"])
    assert resolution({"gradcam": values["gradcam"]}, ["ad"], 100, 1) == {}


def test_agreement_turns_measures_the_same_way(evaluation: Evaluation) -> None:
    means = pd.DataFrame({"ad": [1.0, 2, 3], "ic": [3.0, 2, 1]}, index=["gradcam", "rise", "ttame"])
    columns = [Column("ad", "AD", "lower"), Column("ic", "IC", "higher")]
    assert agreement(means, columns).to_numpy().tolist() == [[1, 1], [1, 1]]
    found = agreement(evaluation.means, COLUMNS)
    assert list(found.index) == list(found.columns) == ["deletion", "insertion", "single_deletion"]
    assert np.allclose(found, found.T)


def test_what_is_said_of_them(evaluation: Evaluation, tmp_path: Path) -> None:
    checks = check_measures(evaluation, COLUMNS, _noise(deletion=1.0))
    checks.loc["deletion", "fooled"] = 0.0
    checks.loc["deletion", "objection"] = ""
    text = recommendation("shapes_cnn", checks, COLUMNS)
    assert text.startswith("On shapes_cnn, methods may be ranked by Deletion (100 %)")
    assert text.endswith("Do not rank by Insertion and Single deletion.")
    assert "prefers everything but one to 100 % of the methods, puts a control above" in checks_table(checks, COLUMNS)
    assert "no measure should rank" in recommendation("vit", checks.drop(index="deletion"), COLUMNS)
    write_checks(tmp_path / "measures.csv", {"cnn": checks})
    pd.testing.assert_frame_equal(
        read_checks(tmp_path / "measures.csv", "cnn", checks.index), checks, check_names=False, check_dtype=False
    )
    write_agreement(tmp_path / "agreement.csv", {"cnn": agreement(evaluation.means, COLUMNS)})
    assert len(pd.read_csv(tmp_path / "agreement.csv")) == 9
