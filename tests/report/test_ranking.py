from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from ttame.measures.column import Column
from ttame.report.ranking import Run, best_runs, kendall_tau, worth_of

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


def test_best_runs_are_of_different_methods_that_beat_noise() -> None:
    learned: dict[Run, float] = {("ttame", 1): 2.0, ("ttame", 2): 9.0, ("ttame", 3): 8.0, ("tame", 1): 7.0}
    read_off: dict[Run, float] = {("gradcam", None): 5.0, ("rise", None): 3.0, ("gae", None): np.nan}
    assert best_runs(learned | read_off, 2) == [("ttame", 2), ("tame", 1)]
    controls: dict[Run, float] = {("center", None): 99.0, ("random", None): 4.0}
    assert best_runs(learned | read_off | controls, 9) == [("ttame", 2), ("tame", 1), ("gradcam", None)]
    assert best_runs({("random", None): np.nan, ("rise", None): -3.0}, 2) == [("rise", None)], "noise is not measured"
    assert best_runs({("random", None): 4.0, ("rise", None): 4.0}, 2) == []
