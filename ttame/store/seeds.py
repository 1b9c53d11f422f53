"""The tables of a method with several seeds, joined to one."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

SEED = "seed"
"""A column of scores, and a level of the index of what is made of them, where a method has several seeds."""


def join_seeds(tables: Mapping[int | None, pd.DataFrame]) -> pd.DataFrame:
    """The scores of a method, a row per image, of all its seeds: one after the other with a column `seed`; as they are
    where there is one.
    """
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat([table.assign(**{SEED: seed}) for seed, table in tables.items()], ignore_index=True)


def first_seed(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first seed, all where there is one."""
    return scores[scores[SEED] == scores[SEED].iloc[0]] if SEED in scores else scores
