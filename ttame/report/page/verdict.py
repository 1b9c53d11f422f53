"""What a person should take home, in sentences that the tests and intervals bear out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.page.standing import ranking_columns
from ttame.report.ranking import is_control
from ttame.report.statistics import LEVEL


def verdict(backbone: str, evaluation: Evaluation, checks: pd.DataFrame) -> str:
    """How the reference method stands among the others on one backbone, or who leads where there is no reference.

    Args:
        backbone: its name.
        evaluation: of its methods.
        checks: what the measures can tell, see `check_measures`; those with an objection have no say.
    """
    columns = ranking_columns(evaluation, checks)
    if not columns and len(checks):
        return f"On {backbone}, {_count(evaluation)}: no measure may rank the methods, so there is no ranking."
    wins = dict.fromkeys(evaluation.scores, 0)
    for (method, key), mark in evaluation.marks.items():
        if mark != "second" and any(column.key == key for column in columns):
            wins[method] += 1
    measures = f"the {len(columns)} measures that may rank ({', '.join(column.title for column in columns)})"
    if not evaluation.against_reference:
        leader = max(wins, key=lambda method: wins[method])
        if wins[leader] == 0:
            return f"On {backbone}, {_count(evaluation)}: too few methods or images to compare."
        return f"On {backbone}, {title(leader)} is the best or no worse than the best in {wins[leader]} of {measures}."
    if evaluation.images < 2:
        return f"On {backbone}, {_count(evaluation)}: of one image no difference can be told from chance."
    reference = evaluation.report.reference
    return (
        f"On {backbone}, {title(reference)} is the best or no worse than the best in {wins[reference]} of {measures}. "
        f"{_against_each(evaluation, columns)}"
    )


def _against_each(evaluation: Evaluation, columns: Sequence[Column]) -> str:
    """How often the reference is better and worse than another method."""
    better = worse = undecided = 0
    for method, table in evaluation.against_reference.items():
        if is_control(method):
            continue
        for column in columns:
            if column.key not in table.index:
                continue
            difference, p_value = table.loc[column.key].to_numpy(float)
            if not p_value <= LEVEL:
                undecided += 1
            elif (difference > 0) == (column.better == "lower"):
                better += 1
            else:
                worse += 1
    comparisons = better + worse + undecided
    return (
        f"Against each other method in each of these measures, {comparisons} comparisons, it is significantly better "
        f"in {better}, worse in {worse}, and {undecided} are undecided ({_count(evaluation)}, 5 %, Holm's "
        "correction)."
    )


def _count(evaluation: Evaluation) -> str:
    return f"{evaluation.images} image{'s' if evaluation.images != 1 else ''}"
