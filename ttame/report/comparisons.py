"""Methods compared with one of them, on the same images: all columns and opponents in one permutation test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ttame.report.seeds import Number, chance_in_training, mean_over_seeds
from ttame.report.statistics import (
    Chance,
    Differences,
    Floats,
    holm,
    near_level,
    paired_p_values,
    sharper_p_values,
)

Ends = NDArray[np.int64]


@dataclass(frozen=True)
class Family:
    """Comparisons that Holm's correction takes together.

    Attributes:
        column: what is compared.
        opponent: the method that the others are compared with.
        methods: the others.
    """

    column: str
    opponent: str
    methods: Sequence[str]


def compare(
    families: Sequence[Family], values: Mapping[str, pd.DataFrame], resamples: int, seed: int
) -> list[pd.DataFrame]:
    """Test every method of every family against its opponent.

    The differences go through the test and not the values themselves, whose sums would round away that two patterns
    give the same.

    Args:
        families: what to compare.
        values: of every method, a row per image, or per seed and image, and a column per number, as `qualities` gives
            them.
        resamples, seed: of the test; the same signs serve all families.

    Returns:
        Of every family, a row per method: difference (its mean less the opponent's) and p_value, corrected. Where it
        is near 5 %, more patterns are drawn (Besag, Clifford, Biometrika 1991); if even these cannot tell on which side
        it is, it is the upper end of its interval: nothing is called significant by the luck of the draw.
    """
    numbers = [Number(family.column, (method, family.opponent)) for family in families for method in family.methods]
    if not numbers:
        return [_table(family, np.empty(0), np.empty(0)) for family in families]
    differences = _differences(numbers, {method: mean_over_seeds(table) for method, table in values.items()})
    ends = np.cumsum([len(family.methods) for family in families])[:-1]
    p_values = decided_p_values(differences, ends, resamples, seed, chance_in_training(numbers, values))
    split = (np.split(differences.sums() / len(differences.values), ends), np.split(p_values, ends))
    return [_table(*found) for found in zip(families, *split, strict=True)]


def _differences(numbers: Sequence[Number], means: Mapping[str, pd.DataFrame]) -> Differences:
    asked = dict.fromkeys((method, number.column) for number in numbers for method in number.methods)
    places = {one: place for place, one in enumerate(asked)}
    pairs = np.array([[places[method, number.column] for method in number.methods] for number in numbers])
    # Of a series itself NumPy asks for attributes, which pandas looks up among the names of all images.
    columns = [means[method][column].to_numpy() for method, column in asked]
    return Differences(np.column_stack(columns), *pairs.T)


def decided_p_values(differences: Differences, ends: Ends, resamples: int, seed: int, chance: Chance | None) -> Floats:
    """(K,) p-values, corrected within the families that end at `ends`; those near 5 % as `compare` says."""
    raw = paired_p_values(differences, resamples, seed, chance)
    patterns = np.full(len(raw), float(resamples))
    trained: NDArray[np.bool_] = np.zeros(len(raw), dtype=bool)
    if chance is not None:
        trained = np.any(chance.scales > 0, axis=0)
    while True:
        corrected = np.concatenate([holm(family) for family in np.split(raw, ends)])
        near, upper = near_level(corrected, raw, patterns)
        coarse = near & (patterns == resamples)
        if not coarse.any():
            return np.where(near, upper, corrected)
        # Without chance in training few images allow for all patterns, which are exact.
        for part in (coarse & trained, coarse & ~trained):
            if part.any():
                of_part = None if chance is None or not trained[part].all() else chance.of(part)
                raw[part], patterns[part] = sharper_p_values(differences.of(part), raw[part], resamples, seed, of_part)
        patterns[coarse] = np.maximum(patterns[coarse], resamples + 1)  # these are done, if none more were allowed


def _table(family: Family, means: Floats, p_values: Floats) -> pd.DataFrame:
    return pd.DataFrame({"difference": means, "p_value": p_values}, index=list(family.methods))
