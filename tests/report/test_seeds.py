"""Chance in training: what several seeds do to means, intervals and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ttame.params.evaluation import CurveSettings, MetricSettings, ReportSettings, RoadSettings
from ttame.report.aggregate import seen_in_training
from ttame.report.comparisons import Family, compare
from ttame.report.evaluation import evaluate
from ttame.report.measure_checks import resolution
from ttame.report.seeds import Number, chance_in_training, mean_over_seeds, means_by_seed
from ttame.report.statistics import Chance, Floats, bootstrap_intervals
from ttame.store.seeds import SEED, first_seed, join_seeds

from .against_zero import p_values_of
from .results_by_hand import write_scores

NAMES = [f"image_{number}" for number in range(12)]
REPETITIONS = 2000
IMAGES = 60


def _values(cube: Floats) -> pd.DataFrame:
    """(seeds, images, columns) as the report has them."""
    seeds, images, columns = cube.shape
    index = pd.MultiIndex.from_product([range(seeds), [f"image_{n}" for n in range(images)]], names=[SEED, "name"])
    return pd.DataFrame(cube.reshape(seeds * images, columns), index=index, columns=list(map(str, range(columns))))


def _cube(seeds: int, of_seed: float, of_image: float, of_both: float, number: int) -> Floats:
    """Numbers around 0, a column per repetition, with known deviations."""
    random = np.random.default_rng(number)
    return np.asarray(
        of_seed * random.standard_normal((seeds, 1, REPETITIONS))
        + of_image * random.standard_normal((1, IMAGES, REPETITIONS))
        + of_both * random.standard_normal((seeds, IMAGES, REPETITIONS))
    )


def _chance(values: pd.DataFrame) -> Chance | None:
    return chance_in_training([Number(column, ("ttame",)) for column in map(str, values)], {"ttame": values})


def _covered(seeds: int, of_seed: float) -> float:
    values = _values(_cube(seeds, of_seed, 1.0, 0.3, 1))
    low, high = bootstrap_intervals([mean_over_seeds(values).to_numpy()], 4000, 3, _chance(values)).T
    return float(((low <= 0) & (high >= 0)).mean())


@pytest.mark.parametrize("seeds", [4, 5])
@pytest.mark.parametrize("of_seed", [0.0, 0.1, 0.3, 1.0, 3.0])
def test_intervals_hold_the_truth_in_95_percent(seeds: int, of_seed: float) -> None:
    assert 0.93 <= _covered(seeds, of_seed) <= 0.97


@pytest.mark.parametrize(("seeds", "most"), [(3, 0.975), (2, 1.0)])
@pytest.mark.parametrize("of_seed", [0.0, 0.2, 1.0])
def test_two_or_three_seeds_promise_no_more_than_they_know(seeds: int, most: float, of_seed: float) -> None:
    """With so few degrees of freedom the interval may be too wide, never too narrow."""
    assert 0.93 <= _covered(seeds, of_seed) <= most


def test_seeds_that_agree_by_luck_are_no_proof() -> None:
    """Of two trainings with hits on single images, equal counts are common; their hits are still on other images."""
    random = np.random.default_rng(5)
    rates = 0.7 + 0.1 * random.standard_normal((2, 1, REPETITIONS))
    values = _values((random.random((2, 50, REPETITIONS)) < rates).astype(float))
    means = means_by_seed(values)
    assert means is not None
    equal = (means.std() == 0).to_numpy()
    low, high = bootstrap_intervals([mean_over_seeds(values).to_numpy()], 4000, 3, _chance(values)).T
    covered = (low <= 0.7) & (high >= 0.7)
    assert equal.mean() > 0.03
    assert covered[equal].mean() > 0.9
    assert covered.mean() > 0.93


def test_what_differs_by_image_and_seed_may_make_intervals_wider_never_narrower() -> None:
    values = _values(_cube(5, 0.0, 0.1, 1.0, 6))
    low, high = bootstrap_intervals([mean_over_seeds(values).to_numpy()], 2000, 3, _chance(values)).T
    assert ((low <= 0) & (high >= 0)).mean() > 0.97


def test_five_seeds_drawn_with_replacement_would_promise_too_much() -> None:
    """Why seeds are not drawn as images are."""
    cube, random = _cube(5, 1.0, 1.0, 0.3, 1), np.random.default_rng(3)
    means_by_seed, of_images = (random.multinomial(n, np.full(n, 1 / n), size=1000) / n for n in (5, IMAGES))
    drawn = np.einsum("rs,sic,ri->rc", means_by_seed, cube, of_images, optimize=True)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert 0.8 < ((low <= 0) & (high >= 0)).mean() < 0.88


def test_intervals_over_images_alone_would_not() -> None:
    values = _values(_cube(5, 1.0, 1.0, 0.3, 1))
    low, high = bootstrap_intervals([mean_over_seeds(values).to_numpy()], 2000, 3).T
    assert ((low <= 0) & (high >= 0)).mean() < 0.5


def test_where_seeds_are_all_the_chance_the_interval_is_students() -> None:
    means = np.array([3.0, 4.0, 8.0, 5.0])
    values = _values(np.repeat(means[:, None, None], IMAGES, axis=1))
    ends = bootstrap_intervals([mean_over_seeds(values).to_numpy()], 200_000, 1, _chance(values))[0]
    expected = stats.t.interval(0.95, 3, loc=means.mean(), scale=stats.sem(means))
    np.testing.assert_allclose(ends, expected, rtol=0.03)


@pytest.mark.parametrize("of_seed", [0.0, 0.3, 1.0])
def test_a_test_without_a_difference_finds_one_in_5_percent(of_seed: float) -> None:
    values = {"tame": _values(_cube(5, of_seed, 1.0, 0.3, 4)), "ttame": _values(_cube(5, of_seed, 1.0, 0.3, 5))}
    numbers = [Number(column, ("tame", "ttame")) for column in map(str, values["tame"])]
    differences = (mean_over_seeds(values["tame"]) - mean_over_seeds(values["ttame"])).to_numpy()
    found = p_values_of(differences, 10_000, 2, chance_in_training(numbers, values)) <= 0.05
    assert 0.01 <= found.mean() <= 0.06, "with two times five seeds it is on the safe side"
    if of_seed == 1.0:
        assert (p_values_of(differences, 1000, 2) <= 0.05).mean() > 0.5, "the images alone would be sure"


def test_a_difference_that_another_seed_may_undo_is_none() -> None:
    images = np.random.default_rng(1).standard_normal((1, 40, 1))
    one = _values(images + np.array([0.0, 3.0])[:, None, None])
    same = _values(images + np.array([1.47, 1.53])[:, None, None])
    other = pd.DataFrame(images[0], index=one.loc[0].index, columns=["0"])
    families = [Family("0", "gradcam", ["ttame"])]
    for values, significant in ((one, False), (same, True)):
        named = {"ttame": values, "gradcam": other}
        difference, p_value = compare(families, named, 2000, 1)[0].loc["ttame"].to_numpy(float)
        assert difference == pytest.approx(1.5)
        assert (p_value <= 0.05) == significant
        assert resolution(named, ["0"], 2000, 1) == {"0": 100.0}, "the measure can tell these maps apart"


def test_methods_without_seeds_are_compared_as_they_were() -> None:
    random = np.random.default_rng(3)
    trained = _values(random.standard_normal((2, 30, 1))).set_axis(["x"], axis=1)
    names = trained.loc[0].index
    plain = {name: pd.DataFrame({"x": random.standard_normal(30)}, index=names) for name in ("gradcam", "rise")}
    with_seeds = plain | {"ttame": trained}
    families = [Family("x", "gradcam", ["rise"])]
    both = compare([*families, Family("x", "gradcam", ["ttame"])], with_seeds, 500, 1)
    pd.testing.assert_frame_equal(both[0], compare(families, plain, 500, 1)[0])


def test_the_evaluation_counts_training_in_the_rows_of_the_trained_alone(tmp_path) -> None:
    def scores(*seeds: int) -> pd.DataFrame:
        tables: dict[int | None, pd.DataFrame] = {}
        for seed in seeds:
            write_scores(tmp_path / "x.parquet", NAMES, seed)
            tables[seed] = pd.read_parquet(tmp_path / "x.parquet")
        return join_seeds(tables)

    metrics = MetricSettings(road=RoadSettings(shares=[10, 70]), insertion_deletion=CurveSettings(steps=4))
    report = ReportSettings(reference="ttame", resamples=500)
    several = evaluate({"gradcam": scores(1), "ttame": scores(2, 3, 4)}, metrics, report)
    alone = evaluate({"gradcam": scores(1), "ttame": scores(2)}, metrics, report)
    assert several.images == 12
    pd.testing.assert_frame_equal(several.intervals["gradcam"], alone.intervals["gradcam"])
    ends = several.intervals["ttame"].loc[["ad_100", "ic_15", "road_morf", "insertion"]].to_numpy()
    assert ((ends >= 0) & (ends <= 100)).all()
    found = several.several_seeds["ttame"]
    assert found.index.tolist() == [2, 3, 4]
    assert found["insertion"][2] == pytest.approx(alone.means["insertion"]["ttame"])
    assert several.means["insertion"]["ttame"] == pytest.approx(found["insertion"].mean())
    wide, narrow = (e.intervals["ttame"].loc["deletion"].to_numpy(float) for e in (several, alone))
    assert wide[1] - wide[0] > narrow[1] - narrow[0]


def test_classes_seen_by_every_seed_are_seen(tmp_path) -> None:
    tables: dict[int | None, pd.DataFrame] = {}
    for seed, counts in ((1, [0, 1, 1, 1]), (2, [1, 0, 1, 1])):
        write_scores(tmp_path / "x.parquet", NAMES[:4], seed)
        tables[seed] = pd.read_parquet(tmp_path / "x.parquet").assign(training_count=counts)
    seen = seen_in_training({"ttame": join_seeds(tables)}, ["ttame"])
    assert seen is not None
    assert seen["ttame"]["name"].tolist() == NAMES[2:4] * 2


def test_tables_of_seeds_are_joined_and_parted_again() -> None:
    one, two = (pd.DataFrame({"name": ["a", "b"], "x": [base, base + 1.0]}) for base in (1.0, 5.0))
    assert join_seeds({None: one}) is one
    joined = join_seeds({3: one, 7: two})
    assert joined[SEED].tolist() == [3, 3, 7, 7]
    pd.testing.assert_frame_equal(first_seed(joined)[["name", "x"]], one)
    values = joined.set_index([SEED, "name"])
    assert mean_over_seeds(values)["x"].to_dict() == {"a": 3.0, "b": 4.0}
    means = means_by_seed(values)
    assert means is not None
    assert means["x"].to_dict() == {3: 1.5, 7: 5.5}
    assert means_by_seed(one.set_index("name")) is None
