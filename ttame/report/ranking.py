"""Which methods a measure calls better, and whether two rankings agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ttame.explainers.registry import find
from ttame.measures.column import Column


def is_control(method: object) -> bool:
    """Whether this is the name of a control, which is in no ranking."""
    return find(str(method)).kind == "control"


def worth_of(table: pd.DataFrame, column: Column, key: str | None = None) -> pd.Series:
    """A column of a table, `column.key` by default, turned so that higher is better."""
    return table[key or column.key].astype(float) * (1.0 if column.better == "higher" else -1.0)


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Tau-b (Kendall, Biometrika 1945): concordant less discordant pairs, with ties taken out of the denominator.

    Args:
        first, second: as many numbers each; a pair of them in which one is missing is left out.

    Returns:
        In [-1, 1]; NaN where one of them is constant.
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    kept = ~(np.isnan(one) | np.isnan(other))
    order = np.sign(one[kept][:, None] - one[kept][None, :])
    other_order = np.sign(other[kept][:, None] - other[kept][None, :])
    size = np.sqrt((order**2).sum() * (other_order**2).sum())
    return float((order * other_order).sum() / size) if size else float("nan")


def best_methods(means: pd.DataFrame, column: Column, count: int) -> list[str]:
    """The methods that a column calls the best, controls aside, and those that do not have it."""
    methods = means.loc[[name for name in means.index if not is_control(name)]]
    worth = worth_of(methods, column).dropna()
    return [str(name) for name in worth.sort_values(ascending=False, kind="stable").index[:count]]
