"""Who leads on one backbone, as the marks of the tables say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ttame.explainers.registry import find
from ttame.measures.column import Column
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.ranking import is_control, worth_of

SHOWN = 5
"""Methods in the picture on top of the page."""


@dataclass(frozen=True)
class Standing:
    """How the methods of one backbone stand, computed once for all that the page says of it.

    Attributes:
        columns: the measures that may rank.
        separates: of each of them by key, percent of the pairs of methods that it separates.
        table: of `standings`.
        leader: the method that stands first; None where no measure may rank, or of one image or one method nothing can
            be told.
        cheaper: the best placed of the methods with the fewest passes; None where it is the leader, leads in no
            measure, or nobody leads.
    """

    columns: Sequence[Column]
    separates: dict[str, float]
    table: pd.DataFrame
    leader: str | None
    cheaper: str | None

    @classmethod
    def of(cls, evaluation: Evaluation, checks: pd.DataFrame) -> Standing:
        """Of the methods of one backbone; `checks` as `check_measures` gives them."""
        columns = ranking_columns(evaluation, checks)
        table = standings(evaluation, columns)
        separates = {column.key: float(checks["resolution"][column.key]) for column in columns}
        leads = evaluation.images > 1 and len(table) > 0 and table["leads"].iloc[0] > 0
        if not leads:
            return cls(columns, separates, table, None, None)
        return cls(columns, separates, table, str(table.index[0]), cheaper_leader(table))

    @property
    def methods(self) -> list[str]:
        """Best first, controls aside."""
        return [str(method) for method in self.table.index]


def ranking_columns(evaluation: Evaluation, checks: pd.DataFrame) -> list[Column]:
    """The measures that nothing speaks against; `checks` as `check_measures` gives them."""
    columns = [column for column in quality_columns(evaluation.metrics) if column.key in checks.index]
    return [column for column in columns if not checks["objection"][column.key]]


def standings(evaluation: Evaluation, columns: Sequence[Column]) -> pd.DataFrame:
    """A row per method, controls aside, the first in the lead.

    Args:
        evaluation: of the methods.
        columns: the measures that count.

    Returns:
        leads, in how many of them it is the best or no worse than the best as far as one can tell; best, in how many
        it is the best; rank, its mean rank; passes, forward and backward ones a map. The leader has the most leads,
        among equals the most best ones, then the lowest mean rank.
    """
    keys = {column.key for column in columns}
    methods = [str(name) for name in evaluation.means.index if not is_control(name)]
    means = evaluation.means.loc[methods]
    marks = [(method, mark) for (method, key), mark in evaluation.marks.items() if key in keys]
    leads = Counter(method for method, mark in marks if mark != "second")
    best = Counter(method for method, mark in marks if mark == "best")
    rows = {"leads": [leads[method] for method in methods], "best": [best[method] for method in methods]}
    table = pd.DataFrame(rows, index=methods)
    present = [column for column in columns if column.key in means]
    ranks = {column.key: worth_of(means, column).rank(ascending=False) for column in present}
    table["rank"] = pd.DataFrame(ranks, index=methods).mean(axis=1)
    table["passes"] = (means["forward_passes"] + means["backward_passes"]).astype(float)
    return table.sort_values(["leads", "best", "rank"], ascending=[False, False, True], kind="stable")


def ordered(evaluation: Evaluation, standing: Standing) -> list[str]:
    """All methods in the order of their standing, controls at the end."""
    return [*standing.methods, *(method for method in evaluation.scores if is_control(method))]


def cheaper_leader(table: pd.DataFrame) -> str | None:
    """The best placed of the methods with the fewest passes; None where it stands first itself, or leads nowhere.

    Args:
        table: of `standings`, with a method or more.
    """
    cheapest = table[table["passes"] == table["passes"].min()]
    if cheapest.index[0] == table.index[0] or not cheapest["leads"].iloc[0]:
        return None
    return str(cheapest.index[0])


def pictured_methods(standing: Standing, reference: str) -> list[str]:
    """Up to five methods: the leader, the cheaper leader, the reference, the best of each other kind, and then the next
    best; in the order of their standing.

    Args:
        standing: of the methods.
        reference: the method that the others are compared with; it need not be among them.
    """
    methods = standing.methods
    wanted = [method for method in methods if method in (standing.leader, standing.cheaper, reference)]
    kinds = {find(method).kind for method in wanted}
    for method in methods:
        if find(method).kind not in kinds:
            kinds.add(find(method).kind)
            wanted.append(method)
    shown = list(dict.fromkeys([*wanted, *methods]))[:SHOWN]
    return [method for method in methods if method in shown]
