"""What a person should take home, in sentences that the tests and intervals bear out."""

from __future__ import annotations

from collections.abc import Sequence

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.page.standing import Standing
from ttame.report.ranking import is_control
from ttame.report.statistics import LEVEL


def verdict(backbone: str, evaluation: Evaluation, standing: Standing) -> str:
    """How the reference method stands among the others on one backbone, or who leads where there is no reference.

    Args:
        backbone: its name.
        evaluation: of its methods.
        standing: theirs; measures that may not rank have no say.
    """
    columns = standing.columns
    if not columns:
        return f"On {backbone}, {_count(evaluation)}: no measure may rank the methods, so there is no ranking."
    if evaluation.images < 2:
        return f"On {backbone}, {_count(evaluation)}: of one image no difference can be told from chance."
    against_reference = len(evaluation.against_reference) > 0
    method = evaluation.report.reference if against_reference else standing.leader
    if method is None:
        return f"On {backbone}, {_count(evaluation)}: too few methods or images to compare."
    leads = int(standing.table["leads"].get(method, 0))
    measures = f"the {len(columns)} measures that may rank ({', '.join(column.title for column in columns)})"
    first = f"On {backbone}, {title(method)} is the best or no worse than the best in {leads} of {measures}."
    return f"{first} {_against_each(evaluation, columns)}" if against_reference else first


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
