"""Which cells of a table are the best, the second best, and no worse than the best as far as one can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ttame.explainers.registry import find
from ttame.measures.column import Column
from ttame.report.comparisons import Family
from ttame.report.statistics import LEVEL

Mark = Literal["best", "second", "tied", "tied second"]


@dataclass(frozen=True)
class Ranking:
    """The methods with the best mean in a column, and those with the next.

    Attributes:
        best, second: several where means are equal; no second where all are.
        family: all others against the first of the best.
    """

    best: Sequence[str]
    second: Sequence[str]
    family: Family


def rank_methods(values: Mapping[str, pd.DataFrame], columns: Sequence[Column]) -> list[Ranking]:
    """Of every column that is a quality of two methods or more; controls take no part.

    Args:
        values: of every method, a row per image, or per seed and image, and a column per number, as `qualities` gives
            them.
        columns: those to rank, if they are there.
    """
    methods = {name: table for name, table in values.items() if find(name).kind != "control"}
    rankings = []
    for column in columns:
        present = {name: table[column.key].mean() for name, table in methods.items() if column.key in table}
        if len(present) < 2 or column.better is None:
            continue
        means = pd.Series(present).round(9)
        ranked = means.sort_values(ascending=column.better == "lower", kind="stable")
        best, *behind = [[str(name) for name in equal.index] for _, equal in ranked.groupby(ranked, sort=False)]
        others = [name for name in present if name != best[0]]
        rankings.append(Ranking(best, behind[0] if behind else [], Family(column.key, best[0], others)))
    return rankings


def mark_cells(rankings: Sequence[Ranking], compared: Sequence[pd.DataFrame]) -> dict[tuple[str, str], Mark]:
    """Marks by method and column key, none in a column where the means of all methods are equal.

    Args:
        rankings: of `rank_methods`.
        compared: the families of the rankings, as `compare` gives them. `tied` is a method whose difference to the best
            is not significant at 5 %; with one image nothing is significant, and nothing is said to be tied.
    """
    marks: dict[tuple[str, str], Mark] = {}
    for ranking, table in zip(rankings, compared, strict=True):
        if not ranking.second:
            continue  # where all are equal nothing is better than anything
        key = ranking.family.column
        tied = [str(name) for name in table.index[table["p_value"] > LEVEL]]
        marks |= {(name, key): "tied" for name in tied}
        marks |= {(name, key): "tied second" if name in tied else "second" for name in ranking.second}
        marks |= {(name, key): "best" for name in ranking.best}
    return marks
