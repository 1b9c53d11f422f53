"""One sentence for each backbone: who leads, at what cost, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ttame.explainers.registry import find, title
from ttame.report.evaluation import Evaluation
from ttame.report.page.standing import cheaper_leader, ranking_columns, standings

STAYS = 0.5
"""Rank correlation with the map of a randomised classifier from which on a map says little of what was learned."""

Part = tuple[str, bool]


def headline(backbone: str, evaluation: Evaluation, checks: pd.DataFrame, sanity: pd.DataFrame) -> list[Part]:
    """Parts of the sentence, and whether each stands out.

    Args:
        backbone: its name.
        evaluation: of its methods.
        checks: what the measures can tell, see `check_measures`; those with an objection have no say.
        sanity: mean rank correlations, a row per method that has some and a column per depth.
    """
    columns = ranking_columns(evaluation, checks)
    table = standings(evaluation, columns)
    if not columns or not len(table) or not table["leads"].iloc[0]:
        why = "no measure may rank the methods here" if not columns else "too few methods or images to tell them apart"
        return [("Nobody leads", True), (f" on {backbone}: {why}.", False)]
    leader, other = str(table.index[0]), cheaper_leader(table)
    leads, passes = table["leads"].astype(int), table["passes"].astype(float)
    parts = [
        (title(leader), True),
        (f" leads on {backbone}: the best or no worse than the best in ", False),
        (f"{leads[leader]} of {len(columns)}", True),
        (f" measures that may rank, for {_cost(leader, passes[leader])}", False),
    ]
    if other is not None:
        behind = "as often" if leads[other] == leads[leader] else f"in {leads[other]}"
        parts += [
            ("; ", False),
            (title(other), True),
            (f" is {behind} for {_cost(other, passes[other])}", False),
        ]
    reference = evaluation.report.reference
    if reference in table.index and reference not in (leader, other):
        parts += [("; ", False), (title(reference), True), (f", the reference, in {leads[reference]}", False)]
    named = [method for method in map(str, table.index) if method in (leader, other, reference)]
    return [*parts, (f". {_caveat(evaluation, named, sanity, table)}", False)]


def _cost(method: str, passes: float) -> str:
    trained = " after training" if find(method).needs_training else ""
    return f"{passes:.0f} pass{'' if passes == 1 else 'es'} a map{trained}"


def _caveat(evaluation: Evaluation, named: Sequence[str], sanity: pd.DataFrame, table: pd.DataFrame) -> str:
    """What most weakens the sentence before it."""
    leader, high = named[0], stays_high(sanity)
    if leader in high:
        return f"But its maps hardly change when the classifier is randomised (correlation {high[leader]:.2f})."
    close = int((table["leads"] >= table["leads"].iloc[0] - 1).sum()) - 1
    said = []
    if close:
        said.append(f"{close} of {len(table) - 1} other methods are within one measure of it")
    once = [name for name in named if find(name).needs_training and name not in evaluation.several_seeds]
    if once:
        names = [title(name) for name in once]
        said.append(f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} trained once")
    said = said or ["it says nothing of other images and classifiers"]
    return f"But {', and '.join(said)} ({evaluation.images} image{'' if evaluation.images == 1 else 's'})."


def stays_high(sanity: pd.DataFrame) -> Mapping[str, float]:
    """The methods whose maps stay alike when the whole classifier is randomised, controls aside, the highest first."""
    if not len(sanity):
        return {}
    last = sanity[sanity.columns[-1]]
    methods = [str(name) for name in last.index if find(str(name)).kind != "control"]
    found = last.loc[methods].sort_values(ascending=False, kind="stable")
    return {str(name): float(value) for name, value in found.items() if value >= STAYS}
