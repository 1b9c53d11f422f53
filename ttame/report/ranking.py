"""Which methods a measure calls better, and whether two rankings agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ttame.explainers.registry import find
from ttame.measures.column import Column

NOISE = "random"
"""The control that is noise."""
Run = tuple[str, int | None]
"""A method and the seed of its training; None for one that needs none."""


def is_control(method: object) -> bool:
    """Whether this is the name of a control, which is in no ranking."""
    return find(str(method)).kind == "control"


def worth_of(table: pd.DataFrame, column: Column, key: str | None = None) -> pd.Series:
    """A column of a table, `column.key` by default, turned so that higher is better."""
    return sign_of(column) * table[key or column.key].astype(float)


def sign_of(column: Column) -> float:
    """1 where higher is better, -1 where lower is."""
    return 1.0 if column.better == "higher" else -1.0


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


def best_runs(worth: Mapping[Run, float], count: int) -> list[Run]:
    """Those that a column calls the best, one of each method, controls aside, and what it calls no better than noise.

    Args:
        worth: by method and seed, higher is better; NaN where a method does not have the column.
        count: how many methods.
    """
    known = {run: value for run, value in worth.items() if not np.isnan(value)}
    noise = known.get((NOISE, None), -np.inf)
    best: dict[str, Run] = {}
    for run in sorted(known, key=known.__getitem__, reverse=True):
        if known[run] > noise and not is_control(run[0]):
            best.setdefault(run[0], run)
    return list(best.values())[:count]
