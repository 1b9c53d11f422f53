"""What is claimed of two methods holds for other draws and other trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.stats

from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.columns import quality_columns
from ttame.report.evaluation import evaluate
from ttame.report.page.heat import wins
from ttame.report.pairs import every_pair
from ttame.store.seeds import SEED, join_seeds

from .results_by_hand import write_scores


def _p_value(values: dict[str, pd.DataFrame], seed: int, *, claimed: bool) -> float:
    return float(every_pair(values, ["x"], 500, seed, claimed=claimed)["x"]["p_value"].iloc[0])


def test_a_claim_near_the_level_does_not_depend_on_the_draw() -> None:
    noise = np.random.default_rng(4).standard_normal(11)
    noise = (noise - noise.mean()) / noise.std()
    flips = 0
    for shift in np.linspace(0.6, 0.7, 6):
        values = {"gradcam": pd.DataFrame({"x": noise + shift}), "rise": pd.DataFrame({"x": np.zeros(11)})}
        exact = scipy.stats.permutation_test((noise + shift,), np.mean, permutation_type="samples", n_resamples=np.inf)
        drawn = {_p_value(values, seed, claimed=False) <= 0.05 for seed in range(8)}
        flips += len(drawn) == 2
        assert {_p_value(values, seed, claimed=True) <= 0.05 for seed in range(8)} == {exact.pvalue <= 0.05}
    assert flips, "a case that another draw decides otherwise"


def test_a_claim_counts_seeds_that_disagree() -> None:
    images = np.random.default_rng(1).standard_normal(40)
    names = [f"image_{number}" for number in range(40)]
    index = pd.MultiIndex.from_product([[1, 2], names], names=[SEED, "name"])
    values = {
        "gradcam": pd.DataFrame({"x": images}, index=pd.Index(names, name="name")),
        "ttame": pd.DataFrame({"x": np.concatenate([images, images + 3.0])}, index=index),
    }
    assert _p_value(values, 1, claimed=True) > 0.05
    assert _p_value(values, 1, claimed=False) <= 0.05, "these very maps differ"


def test_no_duel_is_won_where_another_seed_may_lose_it(tmp_path) -> None:
    """Insertion of two trainings, one far above and one as far below the other method; both below in deletion."""
    metrics = MetricSettings(road=RoadSettings(shares=[10, 70]), insertion_deletion=CurveSettings(steps=4))
    names = [str(number) for number in range(30)]
    tables: dict[int | None, pd.DataFrame] = {}
    for seed, insertion in ((1, 0.99), (2, 0.40)):
        write_scores(tmp_path / "scores.parquet", names, 1)
        read = pd.read_parquet(tmp_path / "scores.parquet")
        tables[seed] = read.assign(insertion=insertion, deletion=read["deletion"] / 10)
    write_scores(tmp_path / "scores.parquet", names, 3)
    other = pd.read_parquet(tmp_path / "scores.parquet").assign(insertion=0.5)
    report = ReportSettings(reference="ttame", resamples=500)
    evaluation = evaluate({"gradcam": other, "ttame": join_seeds(tables)}, metrics, report)
    columns = {column.key: column for column in quality_columns(metrics)}
    assert wins(evaluation, [columns["insertion"]]) == {}
    assert wins(evaluation, [columns["deletion"]]) == {("ttame", "gradcam"): 1}
