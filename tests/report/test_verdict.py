from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.evaluation import evaluate as compute
from ttame.report.page.verdict import verdict

from .results_by_hand import write_scores

METRICS = MetricSettings(
    shares=[100, 50, 15],
    road=RoadSettings(shares=[10, 70]),
    insertion_deletion=CurveSettings(steps=4, blur=0.02),
    coherency=True,
)


@pytest.fixture
def evaluate(tmp_path: Path):
    def make(methods: list[str], images: int, reference: str = "ttame") -> Evaluation:
        names = [str(number) for number in range(images)]
        scores = {}
        for seed, method in enumerate(methods):
            write_scores(tmp_path / "scores.parquet", names, seed)
            scores[method] = pd.read_parquet(tmp_path / "scores.parquet")
        # One method that is far better than all others in one measure, and worse in another.
        if "ttame" in scores:
            scores["ttame"]["insertion"] = 0.99
            scores["ttame"]["deletion"] = 0.99
        return compute(scores, METRICS, ReportSettings(reference=reference, gallery=1, resamples=500))

    return make


def unobjectionable(evaluation: Evaluation) -> pd.DataFrame:
    """Checks that let every measure rank."""
    keys = [column.key for column in quality_columns(METRICS) if column.key in evaluation.means]
    return pd.DataFrame({"objection": [""] * len(keys)}, index=keys)


def test_it_counts_what_the_tests_found(evaluate) -> None:
    evaluation = evaluate(["center", "gradcam", "rise", "ttame"], 40)
    sentence = verdict("shapes_cnn", evaluation, unobjectionable(evaluation))
    columns = quality_columns(METRICS)
    table = evaluation.statistics
    better = worse = open_ = 0
    for method in ("gradcam", "rise"):
        for column in columns:
            if (method, column.key) not in table.index:
                continue
            row = table.loc[(method, column.key), :].to_dict()
            if row["p_value"] > 0.05:
                open_ += 1
            elif (row["difference"] > 0) == (column.better == "lower"):
                better += 1
            else:
                worse += 1
    assert better >= 2, "insertion, against both"
    assert worse >= 2, "deletion, against both"
    found = re.search(
        r"(\d+) comparisons, it is significantly better in (\d+), worse in (\d+), and (\d+) are", sentence
    )
    assert found is not None
    assert [int(number) for number in found.groups()] == [better + worse + open_, better, worse, open_]
    assert "(40 images, 5 %, Holm's correction)" in sentence


def test_a_difference_outside_both_intervals_is_significant(evaluate) -> None:
    evaluation = evaluate(["gradcam", "ttame"], 40)
    low, high = evaluation.intervals["gradcam"].loc["insertion"].to_numpy()
    assert not low <= evaluation.means["insertion"]["ttame"] <= high
    assert evaluation.against_reference["gradcam"]["p_value"]["insertion"] < 0.05
    assert evaluation.marks["ttame", "insertion"] == "best"


def test_without_a_reference_it_names_the_leader(evaluate) -> None:
    evaluation = evaluate(["gradcam", "rise"], 30)
    assert re.match(r"On vit, (RISE|Grad-CAM) is the best", verdict("vit", evaluation, unobjectionable(evaluation)))


def test_too_little_to_compare_is_said(evaluate) -> None:
    for evaluation, said in (
        (evaluate(["gradcam", "ttame"], 1), "of one image no difference"),
        (evaluate(["gradcam"], 5), "too few methods or images"),
    ):
        assert said in verdict("vit", evaluation, unobjectionable(evaluation))


def test_a_measure_with_an_objection_has_no_say(evaluate) -> None:
    evaluation = evaluate(["gradcam", "ttame"], 40)
    checks = unobjectionable(evaluation)
    checks.loc[checks.index != "insertion", "objection"] = "prefers everything but one"
    sentence = verdict("vit", evaluation, checks)
    assert "T-TAME is the best or no worse than the best in 1 of the 1 measures that may rank (Insertion)" in sentence
    assert "1 comparisons, it is significantly better in 1, worse in 0" in sentence
    checks["objection"] = "separates no two methods"
    assert "so there is no ranking" in verdict("vit", evaluation, checks)
