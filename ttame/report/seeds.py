"""Chance in training: what the seeds of a trained method say together, and how far they are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ttame.report.statistics import Chance
from ttame.store.seeds import SEED


def mean_over_seeds(values: pd.DataFrame) -> pd.DataFrame:
    """A row per image, or grid, the mean over the seeds; the index of `values` is (seed, name), or the name alone."""
    if SEED not in values.index.names:
        return values
    return values.groupby(level=[name for name in values.index.names if name != SEED], sort=False).mean()


def units(values: pd.DataFrame) -> int:
    """How many images, or grids, there are; the index of `values` is (seed, name), or the name alone."""
    return len(values) // values.index.unique(SEED).size if SEED in values.index.names else len(values)


def means_by_seed(values: pd.DataFrame) -> pd.DataFrame | None:
    """A row per seed, the mean over the images; None where there are not several."""
    return values.groupby(level=SEED, sort=False).mean() if SEED in values.index.names else None


@dataclass(frozen=True)
class Number:
    """The mean of a column of one method, or the difference of two methods in it."""

    column: str
    methods: tuple[str, ...]


def chance_in_training(numbers: Sequence[Number], values: Mapping[str, pd.DataFrame]) -> Chance | None:
    """What training adds to the chance of each number; None where no method of theirs has several seeds.

    The seeds of two methods are drawn apart, since the same seed gives them nothing in common.
    """
    seeds, scales = [], []
    for method in dict.fromkeys(method for number in numbers for method in number.methods):
        errors = training_errors(values[method])
        if errors is not None:
            seeds.append(values[method].index.get_level_values(SEED).nunique())
            scales.append([errors[number.column] if method in number.methods else 0.0 for number in numbers])
    return Chance(np.array(seeds) - 1, np.array(scales, dtype=float)) if seeds else None


def training_errors(values: pd.DataFrame) -> pd.Series | None:
    """By column, the standard error of the mean over seeds; None where there are not several.

    Numbers that are counted, hits of a pointing game say, have equal means in two seeds now and then. That is no proof
    that training has no chance, so the error is never below what the disagreement of the seeds on single images gives.
    """
    means = means_by_seed(values)
    if means is None:
        return None
    seeds, images = len(means), units(values)
    cube = values.to_numpy(float).reshape(seeds, images, -1)
    rest = cube - cube.mean(1, keepdims=True) - cube.mean(0) + cube.mean((0, 1))
    least = (rest**2).sum((0, 1)) / max((seeds - 1) * (images - 1), 1) / (seeds * images)
    return np.sqrt(np.maximum(means.var(ddof=1) / seeds, least))
