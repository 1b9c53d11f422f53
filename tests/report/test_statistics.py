from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from ttame.report.statistics import bootstrap_intervals, holm

from .against_zero import p_values_of


@pytest.fixture
def values() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.column_stack([random.exponential(2, 40), random.random(40) < 0.2, random.standard_normal(40)])


def test_intervals_against_scipy(values) -> None:
    ours = bootstrap_intervals([values], 20000, 1)
    for column, (low, high) in zip(values.T, ours, strict=True):
        theirs = scipy.stats.bootstrap(
            (column,), np.mean, n_resamples=20000, method="percentile", random_state=2
        ).confidence_interval
        width = theirs.high - theirs.low
        assert low == pytest.approx(theirs.low, abs=0.04 * width)
        assert high == pytest.approx(theirs.high, abs=0.04 * width)


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    columns = random.standard_normal((60, 400))
    ends = bootstrap_intervals([columns], 1000, 1)
    covered = ((ends[:, 0] <= 0) & (ends[:, 1] >= 0)).mean()
    assert 0.91 <= covered <= 0.98


def test_p_values_against_all_sign_patterns() -> None:
    random = np.random.default_rng(1)
    differences = np.column_stack(
        [random.standard_normal(10) + 0.6, random.choice([-1.0, 0, 1], 10), np.zeros(10), np.full(10, 0.1)]
    )
    patterns = np.array(list(itertools.product([-1, 1], repeat=10)))
    exact = (np.abs(patterns @ differences) >= np.abs(differences.sum(axis=0)) - 1e-12).mean(axis=0)
    np.testing.assert_allclose(p_values_of(differences, 50000, 1), exact, atol=0.01)
    assert p_values_of(differences, 500, 1)[2] == 1.0


def test_p_values_against_scipy(values) -> None:
    test = scipy.stats.permutation_test(
        (values[:, 2] + 0.2,), np.mean, permutation_type="samples", n_resamples=20000, random_state=1
    )
    assert p_values_of(values[:, 2:] + 0.2, 20000, 1)[0] == pytest.approx(test.pvalue, abs=0.015)


def test_seeds_decide_and_nothing_else(values) -> None:
    assert np.array_equal(bootstrap_intervals([values], 300, 1), bootstrap_intervals([values], 300, 1))
    assert not np.array_equal(bootstrap_intervals([values], 300, 1), bootstrap_intervals([values], 300, 2))
    assert np.array_equal(p_values_of(values, 300, 1), p_values_of(values, 300, 1))


def test_many_images_are_resampled_in_blocks(monkeypatch, values) -> None:
    at_once = bootstrap_intervals([values], 1005, 1), p_values_of(values - values.mean(axis=0), 1005, 1)
    monkeypatch.setattr("ttame.report.statistics.CHUNK", 399)
    np.testing.assert_allclose(bootstrap_intervals([values], 1005, 1), at_once[0], rtol=1e-12)
    assert np.array_equal(p_values_of(values - values.mean(axis=0), 1005, 1), at_once[1])


def test_p_values_of_all_patterns_drawn_at_once(monkeypatch, values) -> None:
    monkeypatch.setattr("ttame.report.statistics.CHUNK", 1000)
    signs = np.random.default_rng(5).integers(0, 2, size=(999, 39), dtype=np.int8)
    differences = values[:39] - values[:39].mean(axis=0) - 0.1
    sums = np.where(signs == 1, 1.0, -1.0) @ differences
    expected = (1 + (np.abs(sums) >= np.abs(differences.sum(axis=0)) - 1e-9).sum(axis=0)) / 1000
    assert p_values_of(differences, 999, 5).tolist() == expected.tolist()


def test_of_one_image_nothing_can_be_said() -> None:
    assert np.isnan(bootstrap_intervals([np.ones((1, 2))], 100, 1)).all()
    assert np.isnan(p_values_of(np.ones((1, 2)), 100, 1)).all()


def test_holm_by_hand() -> None:
    corrected = holm(np.array([0.04, 0.001, 0.03, 0.5]))
    np.testing.assert_allclose(corrected, [0.09, 0.004, 0.09, 0.5])
