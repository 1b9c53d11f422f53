"""Which cells of a table are the best, the second best, and no worse than the best as far as one can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pandas as pd

from ttame.explainers.registry import find
from ttame.report.columns import Column
from ttame.report.statistics import LEVEL, compare_with

Mark = Literal["best", "second", "tied", "tied second"]


def mark_cells(
    values: Mapping[str, pd.DataFrame], columns: Sequence[Column], resamples: int, seed: int
) -> dict[tuple[str, str], Mark]:
    """The marks of the methods; controls and the ground truth take no part.

    Args:
        values: of every method, a row per image and a column per number, as `qualities` gives them.
        columns: those to mark, if they are there.
        resamples, seed: of the paired tests of every method against the best one of a column.

    Returns:
        By method and column key. `tied` is a method whose difference to the best is not significant at 5 %, corrected
        over the methods; with one image nothing is significant, and nothing is said to be tied.
    """
    methods = {name: table for name, table in values.items() if find(name).kind != "control"}
    marks: dict[tuple[str, str], Mark] = {}
    for column in columns:
        present = {name: table[[column.key]] for name, table in methods.items() if column.key in table}
        if len(present) < 2 or column.better is None:
            continue
        means = pd.Series({name: table[column.key].mean() for name, table in present.items()}).round(9)
        ranked = means.sort_values(ascending=column.better == "lower", kind="stable")
        best = [str(name) for name in ranked.index[ranked == ranked.iloc[0]]]
        second = (
            [str(name) for name in ranked.index[ranked == ranked.iloc[len(best)]]] if len(best) < len(means) else []
        )
        against = compare_with(best[0], present, resamples, seed)
        tied = [name for name, table in against.items() if table["p_value"].iloc[0] > LEVEL]
        marks |= {(name, column.key): "tied" for name in tied}
        marks |= {(name, column.key): "tied second" if name in tied else "second" for name in second}
        marks |= {(name, column.key): "best" for name in best}
    return marks
