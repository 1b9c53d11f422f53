"""Intervals of means by Student's t: of few images the bootstrap's are too narrow, and of curves these are quicker."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ttame.report.seeds import mean_over_seeds, training_errors
from ttame.report.statistics import LEVEL, Chance
from ttame.store.seeds import SEED


def student_intervals(values: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """95 % intervals of the means of one method, over images and, where there are several seeds, over trainings.

    What images and trainings add are drawn from a Student's t each, as `Chance` says, and added up.

    Args:
        values: a row per image, or per seed and image, and a column per number.
        resamples: how many draws.
        seed: of the draws.

    Returns:
        A row per number: mean, low and high; the ends are NaN where there is one image or a value is missing.
    """
    by_image = mean_over_seeds(values)
    numbers = by_image.to_numpy(float)
    mean = by_image.mean()
    if len(numbers) < 2:
        return pd.DataFrame({"mean": mean, "low": np.nan, "high": np.nan})
    degrees, scales = [len(numbers) - 1], [numbers.std(axis=0, ddof=1) / np.sqrt(len(numbers))]
    of_training = training_errors(values)
    if of_training is not None:
        degrees.append(values.index.get_level_values(SEED).nunique() - 1)
        scales.append(of_training.to_numpy(float))
    drawn = Chance(np.array(degrees), np.array(scales)).draw(np.random.default_rng(seed), resamples)
    reach = np.quantile(np.abs(drawn), 1 - LEVEL, axis=0)
    return pd.DataFrame({"mean": mean, "low": mean - reach, "high": mean + reach})
