from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ttame.report.comparisons import Family, compare
from ttame.report.statistics import holm, paired_p_values


@pytest.fixture
def values() -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(0)
    first, second = random.exponential(2, 40), random.random(40) < 0.2
    return {
        "reference": pd.DataFrame({"x": first, "y": 100.0 * second}),
        "better": pd.DataFrame({"x": first + 0.5, "y": 100.0 * ~second}),
        "same": pd.DataFrame({"x": first[::-1], "y": 100.0 * second}),
    }


def test_methods_are_compared_on_the_same_images(values) -> None:
    (found,) = compare([Family("x", "reference", ["better", "same"])], values, 2000, 1)
    assert found.index.tolist() == ["better", "same"]
    assert found["difference"]["better"] == pytest.approx(0.5)
    assert found["p_value"]["better"] == pytest.approx(2 / 2001)
    assert found["p_value"]["same"] > 0.5


def test_one_draw_gives_every_family_what_a_draw_of_its_own_gives(values) -> None:
    families = [
        Family("x", "reference", ["better", "same"]),
        Family("y", "same", ["reference"]),
        Family("y", "better", ["reference", "same"]),
    ]
    for family, found in zip(families, compare(families, values, 500, 3), strict=True):
        alone = [
            paired_p_values((values[method] - values[family.opponent])[[family.column]].to_numpy(), 500, 3)[0]
            for method in family.methods
        ]
        assert found["p_value"].tolist() == holm(np.array(alone)).tolist()


def test_p_values_against_scipy(values) -> None:
    (found,) = compare([Family("x", "reference", ["same"])], values, 20000, 1)
    pair = values["same"]["x"], values["reference"]["x"]
    test = scipy.stats.permutation_test(
        pair, lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=5000, random_state=1
    )
    assert found["p_value"]["same"] == pytest.approx(test.pvalue, abs=0.03)


def test_nothing_to_compare(values) -> None:
    assert compare([], values, 100, 1) == []
    (found,) = compare([Family("x", "reference", [])], values, 100, 1)
    assert found.empty
