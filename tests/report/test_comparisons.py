from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ttame.report.comparisons import Family, compare
from ttame.report.statistics import holm

from .against_zero import p_values_of


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
            p_values_of((values[method] - values[family.opponent])[[family.column]].to_numpy(), 500, 3)[0]
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


def _pair(differences: np.ndarray) -> dict[str, pd.DataFrame]:
    zeros = np.zeros(len(differences))
    return {"reference": pd.DataFrame({"x": zeros}), "other": pd.DataFrame({"x": differences})}


def _p_value(differences: np.ndarray, resamples: int, seed: int) -> float:
    (found,) = compare([Family("x", "reference", ["other"])], _pair(differences), resamples, seed)
    return float(found["p_value"]["other"])


def _centred(images: int) -> np.ndarray:
    noise = np.random.default_rng(4).standard_normal(images)
    return np.asarray((noise - noise.mean()) / noise.std())


def test_near_the_level_few_images_are_counted_out() -> None:
    found = 0
    for shift in np.linspace(0.5, 0.8, 13):
        case = _centred(11) + shift
        exact = scipy.stats.permutation_test((case,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
        if abs(exact - 0.05) < 0.01:
            found += 1
            assert [_p_value(case, 500, seed) for seed in range(5)] == pytest.approx([exact] * 5, rel=1e-12)
    assert found, "some are near the level"


@pytest.mark.slow
def test_near_the_level_the_verdict_does_not_depend_on_the_draw() -> None:
    flips = 0
    for shift in np.linspace(0.24, 0.28, 9):
        case = _centred(60) + shift
        flips += len({p_values_of(case[:, None], 500, seed)[0] <= 0.05 for seed in range(5)}) == 2
        assert len({_p_value(case, 500, seed) <= 0.05 for seed in range(5)}) == 1
    assert flips, "a few hundred patterns flip"


def test_what_no_draw_can_tell_is_not_called_significant(monkeypatch) -> None:
    monkeypatch.setattr("ttame.report.statistics.MOST_PATTERNS", 2000)
    raised = 0
    for shift in np.linspace(0.24, 0.28, 20):
        case = _centred(60) + shift
        seen, said = p_values_of(case[:, None], 2000, 1)[0], _p_value(case, 500, 1)
        if abs(seen - 0.05) < 0.01:
            assert said == pytest.approx(seen + 3 * np.sqrt(seen * (1 - seen) / 2000))
            assert said > 0.05
            raised += 1
    assert raised
