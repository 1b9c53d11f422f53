"""Every two methods compared, in each of some columns."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ttame.report.comparisons import decided_p_values
from ttame.report.ranking import is_control
from ttame.report.seeds import Number, chance_in_training, mean_over_seeds
from ttame.report.statistics import LEVEL, Differences, holm, paired_p_values


def every_pair(
    values: Mapping[str, pd.DataFrame], keys: Sequence[str], resamples: int, seed: int, *, claimed: bool
) -> dict[str, pd.DataFrame]:
    """Paired permutation tests of all pairs of methods, controls aside, with Holm's correction within a column.

    Args:
        values: of every method, a row per unit, or per seed and unit, and a column per number.
        keys: columns; those that two methods have are tested.
        resamples: of the test, more where there are so many pairs that none could be significant.
        seed: of the test.
        claimed: whether something is claimed of each pair. Then chance in training counts where there are several
            seeds, and p-values near 5 % are drawn again as `compare` does. Without it the maps are taken as they are,
            and so are the p-values, as a share of many pairs needs no more.

    Returns:
        By column, a row per pair: first, second, difference (mean of the first less that of the second) and p_value.
    """
    methods = [name for name in values if not is_control(name)]
    means = {name: mean_over_seeds(values[name]) for name in methods}
    having = {key: [name for name in methods if key in means[name]] for key in keys}
    pairs = {key: list(itertools.combinations(names, 2)) for key, names in having.items() if len(names) > 1}
    if not pairs:
        return {}
    columns = {(name, key): means[name][key].to_numpy() for key in pairs for name in having[key]}
    places = {column: place for place, column in enumerate(columns)}
    asked = np.array([[places[name, key] for name in pair] for key, of_key in pairs.items() for pair in of_key])
    differences = Differences(np.column_stack(list(columns.values())), *asked.T)
    numbers = [Number(key, pair) for key, of_key in pairs.items() for pair in of_key]
    chance = chance_in_training(numbers, values) if claimed else None
    draws = max(resamples, round(2 * max(map(len, pairs.values())) / LEVEL))
    ends = np.cumsum([len(of_key) for of_key in pairs.values()])[:-1]
    if claimed:
        p_values = np.split(decided_p_values(differences, ends, draws, seed, chance), ends)
    else:
        p_values = [holm(of_key) for of_key in np.split(paired_p_values(differences, draws, seed), ends)]
    found = np.split(differences.sums() / len(differences.values), ends)
    return {
        key: pd.DataFrame(of_key, columns=["first", "second"]).assign(difference=means_of_key, p_value=p_of_key)
        for (key, of_key), means_of_key, p_of_key in zip(pairs.items(), found, p_values, strict=True)
    }
