"""What a measure can tell: does it notice noise, can it separate methods, is it fooled by a map that says nothing?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.pairs import every_pair
from ttame.report.ranking import NOISE, is_control, kendall_tau, worth_of
from ttame.report.seeds import units
from ttame.report.statistics import LEVEL

TRUTH = "ground_truth"
FOOLS = "everything_but_one"
"""The control that a measure must not prefer to methods."""
NOTICES = 0.8
"""Smallest Kendall's tau between noise and a worse score: of five steps, two neighbours may change places."""
FOOLED = 0.5
"""Largest share of the methods that it may be better than."""


def check_measures(evaluation: Evaluation, columns: Sequence[Column], sensitivity: pd.DataFrame) -> pd.DataFrame:
    """What each measure can tell on one backbone.

    Args:
        evaluation: of its methods.
        columns: of the measures; those that methods have are checked.
        sensitivity: rows of method, noise (percent), column and mean.

    Returns:
        A row per measure, indexed by its key:
        resolution, percent of the pairs of methods that it separates at 5 % after Holm's correction, controls aside;
        sensitivity, Kendall's tau in [-1, 1] between the noise in the maps of its best methods and a worse mean score,
        mean over these methods, NaN where it was not tried, or no method was better than noise to begin with;
        truth_first, 1 or 0, whether the ground truth is above every control, NaN where it is not known;
        fooled, percent of the methods that *everything but one* is better than, NaN without that control;
        objection, why methods should not be ranked by it, empty where they may.
    """
    present = [column for column in columns if column.better and column.key in evaluation.means]
    separated: dict[str, float] = {}
    for values in evaluation.values:
        separated |= resolution(
            values, [column.key for column in present], evaluation.report.resamples, evaluation.report.seed
        )
    rows = {}
    for column in present:
        worth = worth_of(evaluation.means, column)
        numbers = {
            "resolution": separated.get(column.key, np.nan),
            "sensitivity": _sensitivity(sensitivity[sensitivity["column"] == column.key], column),
            "truth_first": _truth_first(worth),
            "fooled": _fooled(worth),
        }
        rows[column.key] = numbers | {"objection": _objection(**numbers, all_noise=_all_noise(worth))}
    return pd.DataFrame.from_dict(rows, orient="index")


def _objection(resolution: float, sensitivity: float, truth_first: float, fooled: float, all_noise: bool) -> str:
    found = []
    if fooled >= 100 * FOOLED:
        found.append(f"prefers everything but one to {fooled:.0f} % of the methods")
    if truth_first == 0:
        found.append("puts a control above the ground truth")
    if resolution == 0:
        found.append("separates no two methods")
    if np.isnan(sensitivity):
        found.append("calls no method better than noise" if all_noise else "was not tried with noise")
    elif sensitivity < NOTICES:
        found.append(f"does not get steadily worse with noise (tau {sensitivity:.2f})")
    return ", ".join(found)


def resolution(values: Mapping[str, pd.DataFrame], keys: Sequence[str], resamples: int, seed: int) -> dict[str, float]:
    """Percent of the pairs of methods whose difference is significant at 5 %, by column.

    The maps are taken as they are, the mean over the seeds where there are several: chance in training is a property of
    methods, and says nothing of a measure.

    Args:
        values: of every method, a row per unit, or per seed and unit, and a column per number.
        keys: columns; those that two methods have are looked at.
        resamples: of the permutation test, more where there are so many pairs that none could be significant.
        seed: of the test.
    """
    pairs = every_pair(values, keys, resamples, seed, claimed=False)
    if not pairs:
        return {}
    images = units(next(iter(values.values())))
    return {
        key: 100 * float((found["p_value"] <= LEVEL).mean()) if images > 1 else np.nan for key, found in pairs.items()
    }


def agreement(means: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Kendall's tau between the rankings of the methods by every two measures, controls aside.

    Returns:
        A symmetric table in [-1, 1], rows and columns the keys; 1 is the same order.
    """
    present = [column for column in columns if column.better and column.key in means]
    methods = [name for name in means.index if not is_control(name)]
    worth = {column.key: worth_of(means.loc[methods], column) for column in present}
    return pd.DataFrame({one: {other: kendall_tau(worth[one], worth[other]) for other in worth} for one in worth})


def _sensitivity(rows: pd.DataFrame, column: Column) -> float:
    """A mean that noise does not move has no order: tau is 0."""
    taus = [kendall_tau(table["noise"], -worth_of(table, column, "mean")) for _, table in rows.groupby("method")]
    return float(np.mean(np.nan_to_num(taus))) if taus else np.nan


def _truth_first(worth: pd.Series) -> float:
    known = worth.dropna()
    others = [name for name in known.index if is_control(name) and name != TRUTH]
    if TRUTH not in known.index or not others:
        return np.nan
    return float((known[others] < known[TRUTH]).all())


def _fooled(worth: pd.Series) -> float:
    known = worth.dropna()
    methods = known[[name for name in known.index if not is_control(name)]]
    return 100 * float((methods < known[FOOLS]).mean()) if FOOLS in known.index and len(methods) else np.nan


def _all_noise(worth: pd.Series) -> bool:
    known = worth.dropna()
    methods = known[[name for name in known.index if not is_control(name)]]
    return NOISE in known.index and len(methods) > 0 and bool((methods <= known[NOISE]).all())
