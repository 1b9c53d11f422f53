"""Chance in training: what the seeds of a trained method say together, and how far they are apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ttame.report.statistics import Chance, Floats
from ttame.store.seeds import SEED


def over_seeds(values: pd.DataFrame) -> pd.DataFrame:
    """A row per image, or grid, the mean over the seeds; the index of `values` is (seed, name), or the name alone."""
    if SEED not in values.index.names:
        return values
    return values.groupby(level=[name for name in values.index.names if name != SEED], sort=False).mean()


def of_seeds(values: pd.DataFrame) -> pd.DataFrame | None:
    """A row per seed, the mean over the images; None where there are not several."""
    return values.groupby(level=SEED, sort=False).mean() if SEED in values.index.names else None


@dataclass(frozen=True)
class Pair:
    """Two methods and the number in which they are compared."""

    column: str
    first: str
    second: str


def chance_of(pairs: Sequence[Pair], values: Mapping[str, pd.DataFrame]) -> Chance | None:
    """What training adds to the chance of each difference; None where no method has several seeds.

    The seeds of two methods are drawn apart, since the same seed gives them nothing in common that they share.
    """
    means = {name: found for name in _names(pairs) if (found := of_seeds(values[name])) is not None}
    if not means:
        return None
    scales = np.zeros((len(means), len(pairs)))
    for row, (name, table) in enumerate(means.items()):
        errors = standard_errors(table)
        for column, pair in enumerate(pairs):
            if name in (pair.first, pair.second):
                scales[row, column] = errors[pair.column]
    return Chance(np.array([len(table) - 1 for table in means.values()]), scales)


def standard_errors(means: pd.DataFrame) -> pd.Series:
    """Of the mean over the seeds, by column, from a row per seed."""
    return means.std(ddof=1) / np.sqrt(len(means))


def chance_of_one(values: pd.DataFrame) -> Chance | None:
    """The same of each number of one method, without an opponent."""
    means = of_seeds(values)
    if means is None:
        return None
    errors: Floats = standard_errors(means).to_numpy(float)[None]
    return Chance(np.array([len(means) - 1]), errors)


def _names(pairs: Iterable[Pair]) -> list[str]:
    return list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
