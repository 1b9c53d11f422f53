from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ttame.explainers.registry import title
from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.evaluation import evaluate as compute
from ttame.report.page.headline import headline
from ttame.report.page.standing import Standing
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
    return pd.DataFrame({"objection": [""] * len(keys), "resolution": [50.0] * len(keys)}, index=keys)


def _verdict(evaluation: Evaluation, checks: pd.DataFrame | None = None) -> str:
    checks = unobjectionable(evaluation) if checks is None else checks
    return verdict("vit", evaluation, Standing.of(evaluation, checks))


def test_it_counts_what_the_tests_found(evaluate) -> None:
    evaluation = evaluate(["center", "gradcam", "rise", "ttame"], 40)
    sentence = _verdict(evaluation)
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
    assert re.match(r"On vit, (RISE|Grad-CAM) is the best", _verdict(evaluation))


def test_too_little_to_compare_is_said(evaluate) -> None:
    for evaluation, said in (
        (evaluate(["gradcam", "ttame"], 1), "of one image no difference"),
        (evaluate(["gradcam", "rise"], 1), "of one image no difference"),
        (evaluate(["gradcam"], 5), "too few methods or images"),
    ):
        assert said in _verdict(evaluation)


def test_a_measure_with_an_objection_has_no_say(evaluate) -> None:
    evaluation = evaluate(["gradcam", "ttame"], 40)
    checks = unobjectionable(evaluation)
    checks.loc[checks.index != "insertion", "objection"] = "prefers everything but one"
    sentence = _verdict(evaluation, checks)
    assert "T-TAME is the best or no worse than the best in 1 of the 1 measures that may rank (Insertion)" in sentence
    assert "1 comparisons, it is significantly better in 1, worse in 0" in sentence
    checks["objection"] = "separates no two methods"
    assert "so there is no ranking" in _verdict(evaluation, checks)


def _said(evaluation: Evaluation, checks: pd.DataFrame, sanity: pd.DataFrame | None = None) -> str:
    standing = Standing.of(evaluation, checks)
    parts = headline("vit", evaluation, standing, pd.DataFrame() if sanity is None else sanity)
    return "".join(text for text, _ in parts)


def test_the_headline_names_leader_cost_and_caveat(evaluate) -> None:
    evaluation = evaluate(["center", "gradcam", "rise", "ttame"], 40)
    checks = unobjectionable(evaluation)
    standing = Standing.of(evaluation, checks)
    columns, table = standing.columns, standing.table
    for method in ("gradcam", "rise", "ttame"):
        marks = [evaluation.marks.get((method, column.key)) for column in columns]
        assert table["leads"][method] == len([mark for mark in marks if mark not in (None, "second")])
        assert table["best"][method] == marks.count("best")
    assert "center" not in table.index
    leader = standing.methods[0]
    assert leader == standing.leader == table.index[0]
    assert table["leads"].max() == table["leads"][leader]
    said = _said(evaluation, checks)
    assert said.startswith(f"{title(leader)} leads on vit: the best or no worse than the best in ")
    assert f"in {table['leads'][leader]} of {len(columns)} measures that may rank, for 1 pass a map" in said
    assert "T-TAME was trained once" in said
    assert said.endswith("(40 images).")
    high = pd.DataFrame({"depth_100": [0.8, 1.0], "depth_1": [0.0, 1.0]}, index=[leader, "center"])
    assert "hardly change when the classifier is randomised (correlation 0.80)" in _said(evaluation, checks, high)
    last_layer = pd.DataFrame({"depth_1": [0.9], "depth_50": [0.8]}, index=[leader])
    assert _said(evaluation, checks, last_layer) == said, "nothing is known of the whole classifier"


def test_the_headline_names_the_best_of_the_cheapest_and_the_reference(evaluate) -> None:
    evaluation = evaluate(["gradcam", "rise", "ttame"], 40)
    checks = unobjectionable(evaluation)
    checks.loc[checks.index != "insertion", "objection"] = "separates no two methods"
    evaluation.scores["ttame"]["forward_passes"] = 100.0
    evaluation = replace(evaluation)  # its means are kept from before
    standing = Standing.of(evaluation, checks)
    assert (standing.leader, standing.cheaper) == ("ttame", None), "neither of the cheap ones leads in anything"
    assert "T-TAME leads on vit" in _said(evaluation, checks)
    assert "for 100 passes a map after training" in _said(evaluation, checks)
    evaluation = replace(evaluation, report=evaluation.report.model_copy(update={"reference": "rise"}))
    assert "RISE, the reference, in 0." in _said(evaluation, checks)


def test_the_headline_names_a_cheaper_leader(evaluate) -> None:
    evaluation = evaluate(["gradcam", "rise", "ttame"], 40)
    checks = unobjectionable(evaluation)
    leader = Standing.of(evaluation, checks).methods[0]
    evaluation.scores[leader]["forward_passes"] = 100.0
    evaluation = replace(evaluation)  # its means are kept from before
    standing = Standing.of(evaluation, checks)
    cheaper = standing.methods[1]
    assert (standing.leader, standing.cheaper) == (leader, cheaper)
    leads = standing.table["leads"]
    behind = "as often" if leads[cheaper] == leads[leader] else f"in {leads[cheaper]}"
    assert f"; {title(cheaper)} is {behind} for 1 pass a map" in _said(evaluation, checks)


def test_a_leader_that_reads_another_classifier_is_said_to(evaluate) -> None:
    evaluation = evaluate(["gradcam", "ptame", "ttame"], 40, "gradcam")
    evaluation.scores["ptame"][["insertion", "deletion"]] = [0.999, 0.001]
    evaluation = compute(evaluation.scores, METRICS, evaluation.report)
    checks = unobjectionable(evaluation)
    checks.loc[~checks.index.isin(["insertion", "deletion"]), "objection"] = "separates no two methods"
    by_construction = pd.DataFrame({"depth_100": [1.0]}, index=["ptame"])
    said = _said(evaluation, checks, by_construction)
    assert said.startswith("P-TAME leads")
    assert "But its maps look at the explained classifier in training alone, and P-TAME was trained once" in said
    assert "hardly change" not in said


def test_nobody_leads_where_nothing_may_rank_or_can_be_told(evaluate) -> None:
    evaluation = evaluate(["gradcam", "ttame"], 1)
    checks = unobjectionable(evaluation)
    assert "Nobody leads on vit" not in _said(evaluate(["gradcam", "ttame"], 40), checks)
    few = "Nobody leads on vit: too few methods or images to tell them apart."
    assert _said(evaluation, checks) == few, "of one image one method is always the best"
    assert _said(evaluate(["gradcam"], 40), checks) == few
    checks["objection"] = "separates no two methods"
    assert _said(evaluation, checks) == "Nobody leads on vit: no measure may rank the methods here."
    standing = Standing.of(evaluation, checks)
    assert (standing.leader, standing.cheaper) == (None, None)
