from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ttame.measures.column import Column
from ttame.report.ranking import best_methods, kendall_tau, worth_of

AD, IC = Column("ad", "AD", "lower"), Column("ic", "IC", "higher")


@pytest.mark.parametrize("seed", range(5))
def test_tau_is_that_of_scipy_with_ties_too(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 6, 15), random.random(15)
    assert kendall_tau(first, second) == pytest.approx(scipy.stats.kendalltau(first, second)[0], abs=1e-12)


def test_tau_leaves_missing_values_out_and_knows_no_order_of_equals() -> None:
    assert kendall_tau([1, 2, np.nan, 3], [1, 2, 9, 3]) == 1
    assert np.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_worth_is_higher_for_the_better() -> None:
    table = pd.DataFrame({"ad": [1.0, 2.0], "ic": [1.0, 2.0]})
    assert worth_of(table, AD).idxmax() == 0
    assert worth_of(table, IC).idxmax() == 1


def test_best_methods_are_those_of_the_better_end_and_no_controls() -> None:
    means = pd.DataFrame(
        {"ad": [0.0, 3, 1, 2, np.nan], "ic": [99.0, 3, 1, 2, 5]}, index=["center", "rise", "gradcam", "ttame", "gae"]
    )
    assert best_methods(means, AD, 2) == ["gradcam", "ttame"]
    assert best_methods(means, AD, 9) == ["gradcam", "ttame", "rise"], "none that does not have it"
    assert best_methods(means, IC, 2) == ["gae", "rise"]
