"""Whose maps stay the same when the whole classifier is randomised, as the sanity check found it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ttame.explainers.registry import find
from ttame.report.ranking import is_control

WHOLE = "depth_100"
"""The column of the check in which every layer is randomised; not every experiment asks for it."""
STAYS = 0.5
"""Rank correlation with the map of a randomised classifier from which on a map says little of what was learned."""


def reads_auxiliary(method: str) -> bool:
    """Whether a method reads another classifier than the one that it explains, so that its map stays the same by
    construction.
    """
    training = find(method).training
    return training is not None and training.reads_auxiliary


def looks_at_the_classifier(method: str) -> bool:
    """Whether a map is made of the classifier that it explains, as those of controls and of P-TAME are not."""
    return not is_control(method) and not reads_auxiliary(method)


def stays_high(sanity: pd.DataFrame) -> Mapping[str, float]:
    """Rank correlations of the methods whose maps stay alike, of those that look at the classifier; the highest first.

    Args:
        sanity: mean rank correlations, a row per method that has some and a column per depth. Where no depth is the
            whole classifier, nothing is found.
    """
    if WHOLE not in sanity:
        return {}
    methods = [str(name) for name in sanity.index if looks_at_the_classifier(str(name))]
    found = sanity.loc[methods, WHOLE].astype(float).sort_values(ascending=False, kind="stable")
    return {str(name): float(value) for name, value in found.items() if value >= STAYS}
