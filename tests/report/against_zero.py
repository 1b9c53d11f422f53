"""P-values of numbers that are differences already."""

from __future__ import annotations

from ttame.report.statistics import Chance, Differences, Floats, paired_p_values


def p_values_of(values: Floats, resamples: int, seed: int, chance: Chance | None = None) -> Floats:
    """(K,) of (N, K)."""
    return paired_p_values(Differences.to_zero(values), resamples, seed, chance)
