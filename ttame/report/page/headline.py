"""One sentence for each backbone: who leads, at what cost, and what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttame.explainers.registry import find, title
from ttame.report.evaluation import Evaluation
from ttame.report.page.randomised import reads_auxiliary, stays_high
from ttame.report.page.standing import Standing

Part = tuple[str, bool]


def headline(backbone: str, evaluation: Evaluation, standing: Standing, sanity: pd.DataFrame) -> list[Part]:
    """Parts of the sentence, and whether each stands out.

    Args:
        backbone: its name.
        evaluation: of its methods.
        standing: theirs.
        sanity: mean rank correlations, a row per method that has some and a column per depth.
    """
    leader, other = standing.leader, standing.cheaper
    if leader is None:
        too_few = "too few methods or images to tell them apart"
        why = too_few if standing.columns else "no measure may rank the methods here"
        return [("Nobody leads", True), (f" on {backbone}: {why}.", False)]
    leads, passes = standing.table["leads"].astype(int), standing.table["passes"].astype(float)
    parts = [
        (title(leader), True),
        (f" leads on {backbone}: the best or no worse than the best in ", False),
        (f"{leads[leader]} of {len(standing.columns)}", True),
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
    if reference in standing.methods and reference not in (leader, other):
        parts += [("; ", False), (title(reference), True), (f", the reference, in {leads[reference]}", False)]
    named = [method for method in standing.methods if method in (leader, other, reference)]
    return [*parts, (f". {_caveat(evaluation, named, sanity, standing.table)}", False)]


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
    if reads_auxiliary(leader):
        said.append("its maps look at the explained classifier in training alone")
    if close:
        said.append(f"{close} of {len(table) - 1} other methods are within one measure of it")
    once = [name for name in named if find(name).needs_training and name not in evaluation.several_seeds]
    if once:
        names = [title(name) for name in once]
        said.append(f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} trained once")
    said = said or ["it says nothing of other images and classifiers"]
    return f"But {', and '.join(said)} ({evaluation.images} image{'' if evaluation.images == 1 else 's'})."
