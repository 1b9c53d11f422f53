"""Intervals by Student's t, over images and trainings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ttame.report.student import student_intervals
from ttame.store.seeds import SEED

DRAWS = 200_000


def _values(cube: np.ndarray) -> pd.DataFrame:
    """(seeds, images) as the report has them."""
    seeds, images = cube.shape
    index = pd.MultiIndex.from_product([range(seeds), range(images)], names=[SEED, "name"])
    return pd.DataFrame({"x": cube.ravel()}, index=index)


def test_of_one_training_it_is_students_interval_over_images() -> None:
    values = np.array([0.1, 0.4, 0.5, 0.9, 0.2, 0.7, 0.6, 0.3])
    mean, low, high = student_intervals(pd.DataFrame({"x": values}), DRAWS, 1).loc["x"]
    expected = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert mean == pytest.approx(values.mean())
    assert [low, high] == pytest.approx(expected, abs=0.005)


def test_where_seeds_are_all_the_chance_it_is_students_interval_over_seeds() -> None:
    of_seed = np.array([0.3, 0.4, 0.6])
    _, low, high = student_intervals(_values(np.repeat(of_seed[:, None], 50, axis=1)), DRAWS, 1).loc["x"]
    expected = stats.t.interval(0.95, 2, loc=of_seed.mean(), scale=stats.sem(of_seed))
    assert [low, high] == pytest.approx(expected, abs=0.02)


def test_few_images_and_seeds_are_covered_in_95_percent() -> None:
    random, covered, cases = np.random.default_rng(4), 0, 400
    for _ in range(cases):
        cube = random.normal(size=(3, 1)) + random.normal(size=(1, 8))
        _, low, high = student_intervals(_values(cube), 2000, 1).loc["x"].to_numpy(float)
        covered += int(low <= 0 <= high)
    assert 0.93 <= covered / cases <= 0.99


def test_nothing_is_said_of_one_image_or_of_a_missing_value() -> None:
    assert student_intervals(pd.DataFrame({"x": [0.5]}), 100, 1)[["low", "high"]].isna().all(axis=None)
    found = student_intervals(pd.DataFrame({"x": [0.5, np.nan, 0.2], "y": [0.1, 0.2, 0.3]}), 100, 1)
    assert found["low"].isna().tolist() == [True, False]
