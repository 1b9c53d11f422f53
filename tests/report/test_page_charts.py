"""The tables and charts of the page that are computed for it alone, against what they are made of."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings, SanitySettings
from ttame.report.columns import quality_columns, sanity_columns
from ttame.report.evaluation import Evaluation, evaluate
from ttame.report.page.cells import goodness, sanity_rows
from ttame.report.page.dots import dot_plot
from ttame.report.page.drawings import cost_chart, passes_chart, probability_lines
from ttame.report.page.heat import duels_heat, wins
from ttame.report.page.standing import Standing
from ttame.report.pairs import every_pair
from ttame.store.seeds import SEED, join_seeds

from .results_by_hand import write_scores

METRICS = MetricSettings(
    shares=[100, 50, 15],
    road=RoadSettings(shares=[10, 70]),
    insertion_deletion=CurveSettings(steps=4, blur=0.02),
    coherency=True,
)
METHODS = ["random", "gradcam", "rise", "ttame"]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """RISE has the best insertion and the worst deletion of 30 images, beyond doubt."""
    path: Path = tmp_path_factory.mktemp("scores") / "scores.parquet"
    scores = {}
    for seed, method in enumerate(METHODS):
        write_scores(path, [str(number) for number in range(30)], seed, leads=method == "rise")
        scores[method] = pd.read_parquet(path)
    scores["rise"]["deletion"] = 0.995
    return evaluate(scores, METRICS, ReportSettings(reference="ttame", gallery=1, resamples=500))


def test_every_pair_is_tested_controls_aside(evaluation) -> None:
    values = next(evaluation.values)
    table = every_pair(values, ["insertion"], 500, 1, claimed=True)["insertion"]
    assert [*zip(table["first"], table["second"], strict=True)] == [
        ("gradcam", "rise"),
        ("gradcam", "ttame"),
        ("rise", "ttame"),
    ]
    means = evaluation.means["insertion"].astype(float)
    assert table["difference"].tolist() == pytest.approx(
        [means[one] - means[other] for one, other in zip(table["first"], table["second"], strict=True)]
    )
    assert (table["p_value"] <= 0.05).tolist() == [True, False, True]


def test_duels_count_measures_won_and_lost(evaluation) -> None:
    columns = [column for column in quality_columns(METRICS) if column.key in ("insertion", "deletion")]
    counted = wins(evaluation, columns)
    assert counted["rise", "gradcam"] == counted["gradcam", "rise"] == 1, "insertion won, deletion lost"
    order = ["rise", "gradcam", "ttame"]
    table = duels_heat(evaluation, columns[1:], order)
    assert table is not None
    texts = [[cell["text"] for cell in row["cells"]] for row in table["rows"]]
    assert [column.key for column in columns[1:]] == ["insertion"]
    assert texts == [["", "+1", "+1"], ["−1", "", "0"], ["−1", "0", ""]]
    assert table["rows"][0]["cells"][1]["said"] == "RISE against Grad-CAM: better in 1, worse in 0 of 1"
    assert duels_heat(evaluation, [], order) is None


def test_dots_stand_where_the_numbers_are_best_first(evaluation) -> None:
    column = next(column for column in quality_columns(METRICS) if column.key == "deletion")
    plot = dot_plot(evaluation, column)
    means = evaluation.means["deletion"].astype(float)
    assert [row["method"] for row in plot["rows"]] == means.sort_values().index.tolist(), "the lower the better"
    ticks = [float(tick["text"]) for tick in plot["ticks"]]
    assert [tick["at"] for tick in plot["ticks"]][:: len(ticks) - 1] == [0, 100]
    assert 3 <= len(ticks) <= 7
    for row in plot["rows"]:
        low, high = evaluation.intervals[row["method"]].loc["deletion"]
        for place, value in (("at", means[row["method"]]), ("low", low), ("high", high)):
            assert row[place] == pytest.approx(100 * (value - ticks[0]) / (ticks[-1] - ticks[0]), abs=0.06)
            assert 0 <= row[place] <= 100
    assert plot["reference"]["method"] == "ttame"


def test_cells_are_coloured_from_the_worst_to_the_best_method(evaluation) -> None:
    columns = [column for column in quality_columns(METRICS) if column.key in ("deletion", "insertion")]
    found = goodness(evaluation, columns)
    assert found["insertion"]["rise"] == 1
    assert found["deletion"]["rise"] == 0, "the lower the better"
    assert found["deletion"].max() == 1
    assert "random" not in found["insertion"].index


def test_the_band_of_a_curve_is_two_standard_errors(evaluation) -> None:
    evaluation = replace(evaluation, report=evaluation.report.model_copy(update={"resamples": 200_000}))
    line = probability_lines(evaluation, "deletion")["gradcam"]
    values = evaluation.scores["gradcam"]["deletion_2"]
    error = values.std() / np.sqrt(len(values))
    assert line.index.tolist() == [0, 25, 50, 75, 100]
    reach = stats.t.ppf(0.975, len(values) - 1) * error
    assert line.to_numpy(float)[2].tolist() == pytest.approx(
        [values.mean(), values.mean() - reach, values.mean() + reach], abs=0.003
    )


def test_sanity_rows_have_intervals_over_images_and_name_what_stays_high() -> None:
    columns = sanity_columns(SanitySettings(images=4, depths=[1, 100], seed=1))
    table = pd.DataFrame({"depth_1": [1.0, 1, 1, 1], "depth_100": [0.7, 0.8, 0.9, 0.8]})
    # Two seeds that are the same say no more of the images than one.
    seeds = pd.concat({1: table - 0.9, 2: table - 0.9}, names=[SEED])
    tables = {"random": table, "ptame": table, "rise": table, "ttame": seeds}
    rows = {row["method"]: row["cells"] for row in sanity_rows(tables, columns, ["rise"], "ttame", 100_000, 1)}
    assert list(rows) == ["ptame", "rise", "ttame", "random"], "controls at the end"
    assert [cell["high"] for cell in rows["rise"]] == [False, True]
    assert not any(cell["high"] for method in ("ptame", "ttame", "random") for cell in rows[method])
    assert [cell["share"] for cell in rows["ptame"]] == [None, None], "it does not look at the classifier"
    assert rows["rise"][0]["interval"] == "1.00–1.00"
    low, high = map(float, rows["rise"][1]["interval"].split("–"))
    reach = stats.t.ppf(0.975, 3) * table["depth_100"].sem()
    assert [low, high] == pytest.approx([0.8 - reach, 0.8 + reach], abs=0.011), "few images, wide intervals"
    shifted = [float(end.replace("−", "-")) for end in rows["ttame"][1]["interval"].split(" to ")]
    assert shifted == pytest.approx([low - 0.9, high - 0.9], abs=0.021)


def test_the_band_of_a_curve_counts_seeds_that_disagree(evaluation) -> None:
    own = evaluation.scores["ttame"]
    other = own.assign(deletion_2=own["deletion_2"] * 0.5)
    seeds = {**evaluation.scores, "ttame": join_seeds({1: own, 2: other})}
    band, alone = (
        probability_lines(replace(evaluation, scores=scores), "deletion")["ttame"]
        for scores in (seeds, evaluation.scores)
    )
    wide = (band["high"] - band["low"]) / (alone["high"] - alone["low"])
    assert wide[50] > 1.5
    assert wide[[0, 25, 75, 100]].tolist() == pytest.approx([1] * 4, abs=0.05), "there the seeds agree"
    assert band["mean"][50] == pytest.approx(0.75 * own["deletion_2"].mean())
    assert (band["low"] >= 0).all()
    assert (band["high"] <= 1).all()


def test_cost_is_set_against_ranks_by_the_measures_that_may_rank(evaluation) -> None:
    objections = {"insertion": "", "deletion": "prefers everything but one"}
    checks = pd.DataFrame({"objection": objections, "resolution": 50.0})
    standing = Standing.of(evaluation, checks)
    times = {"gradcam": 1.0, "rise": 50.0}
    by_time = cost_chart("vit", "ttame", standing, times)
    by_passes = passes_chart("vit", "ttame", standing)
    assert by_time is not None
    assert by_passes is not None
    for drawing in (by_time, by_passes):
        assert "ank by the measure that may rank" in drawing
    assert 'id="vit-cost:ttame"' not in by_time, "its time is not known"
    assert 'id="vit-passes:ttame"' in by_passes
    height = r'id="vit-{}:rise".*?cy="([\d.]+)"'
    tops = [re.search(height.format(name), text) for name, text in (("cost", by_time), ("passes", by_passes))]
    assert all(top is not None and float(top[1]) == 14.0 for top in tops), "the best insertion is on top of both"
    checks["objection"] = "separates no two methods"
    nothing = Standing.of(evaluation, checks)
    assert cost_chart("vit", "ttame", nothing, times) is None
    assert passes_chart("vit", "ttame", nothing) is None
    assert cost_chart("vit", "ttame", standing, {}) is None
