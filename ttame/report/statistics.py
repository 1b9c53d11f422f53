"""How sure the numbers are: intervals by bootstrap, paired permutation tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.05
CHUNK = 2**22
"""Numbers that a block of resamples may hold, 32 MB."""
HELD = 2**22
"""Numbers of all images that are drawn from together, 32 MB; more are taken in turns, with the same draws again."""

MOST_PATTERNS = 10**6
MOST_SIGNS = 2**28
"""What is drawn at most where a p-value is near the level: so many patterns, of so many signs together."""


@dataclass(frozen=True)
class Chance:
    """How far another training could have moved K numbers, as M trained methods with several seeds show it.

    A few seeds drawn with replacement would show too little of it: of two, half of the draws have no spread. So what a
    method's seeds add is drawn from Student's t around its mean, scaled by the standard error over its seeds (the
    fiducial distribution of Fisher, Annals of Eugenics 1935, that the Behrens-Fisher test adds up). It is on the safe
    side: what an image answers to one training and not to another is in both draws, that of images and this one.

    Attributes:
        degrees: (M,) degrees of freedom, the number of seeds less one.
        scales: (M, K) standard error of a method's mean over its seeds; 0 where a number is not of this method.
    """

    degrees: NDArray[np.int64]
    scales: Floats

    def draw(self, random: np.random.Generator, draws: int) -> Floats:
        """(draws, K)."""
        return random.standard_t(self.degrees, size=(draws, len(self.degrees))) @ self.scales

    def of(self, columns: NDArray[np.bool_]) -> Chance:
        """That of some of the numbers."""
        return Chance(self.degrees, self.scales[:, columns])


@dataclass(frozen=True)
class Differences:
    """K differences of C columns; the N x K of them would not fit where many methods are compared on many images.

    Attributes:
        values: (N, C), C columns of N paired numbers.
        first, second: (K,) columns, of which the second is subtracted from the first.
    """

    values: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @classmethod
    def to_zero(cls, values: Floats) -> Differences:
        """(N, K) numbers themselves."""
        count = values.shape[1]
        with_zero = np.column_stack([values, np.zeros(len(values))])
        return cls(with_zero, np.arange(count), np.full(count, count))

    def __len__(self) -> int:
        return len(self.first)

    def of(self, columns: slice | NDArray[np.bool_]) -> Differences:
        """Some of them."""
        return Differences(self.values, self.first[columns], self.second[columns])

    def alone(self) -> Differences:
        """The same without the columns that none of them takes."""
        taken, places = np.unique(np.concatenate([self.first, self.second]), return_inverse=True)
        return Differences(self.values[:, taken], *np.split(places, 2))

    def whole(self) -> Floats:
        """(N, K)."""
        return self.values[:, self.first] - self.values[:, self.second]

    def sums(self) -> Floats:
        """(K,) over the images."""
        parts = in_turns([len(self.values)] * len(self), CHUNK // 8)
        return np.concatenate([self.of(part).whole().sum(axis=0) for part in parts])

    def rounding(self) -> Floats:
        """(K,) more than the sums of two columns lose of their difference, and far less than one that counts."""
        sizes = np.array([np.abs(column).sum() for column in self.values.T])
        return 1e-12 + 1e-13 * (sizes[self.first] + sizes[self.second])


def bootstrap_intervals(
    values: Sequence[NDArray[np.floating]], resamples: int, seed: int, chance: Chance | None = None
) -> Floats:
    """95 % percentile intervals of means (Efron, Tibshirani, An introduction to the bootstrap, 1993, chapter 13).

    Args:
        values: (N, k) of every method, k numbers of each of N images, of a trained method the means over its seeds, in
            float32 where that is exact; images are drawn with replacement, all K numbers of all methods together.
        resamples: how many draws.
        seed: of the draws.
        chance: of training, drawn beside the images; by default there is none.

    Returns:
        (K, 2) lower and upper ends; NaN when there is only one image, of which nothing can be said.
    """
    count = len(values[0])
    if count < 2:
        return np.full((sum(table.shape[1] for table in values), 2), np.nan)
    random = np.random.default_rng(seed)
    means = []
    for block in _blocks(resamples, count):
        drawn_often = random.multinomial(count, np.full(count, 1 / count), size=block).astype(np.float64)
        means.append(np.concatenate([drawn_often @ table.astype(np.float64) for table in values], axis=1) / count)
    drawn = np.concatenate(means)
    if chance is not None:
        drawn = drawn + chance.draw(_training_draws(seed), resamples)
    return np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2], axis=0).T


def paired_p_values(differences: Differences, resamples: int, seed: int, chance: Chance | None = None) -> Floats:
    """Two-sided permutation test of a mean difference of zero: the sign of every image's difference is as likely
    reversed (Fisher; Good, Permutation tests, 2000, section 3.1).

    Args:
        differences: K on N images, of means over seeds where there are several.
        resamples: random sign patterns, each used for all K.
        seed: of the patterns.
        chance: of training, drawn with every pattern: a difference that another seed may undo is none.

    Returns:
        (K,) in (0, 1]; the observed pattern counts as one, so the smallest is 1 / (resamples + 1). NaN for one image.
    """
    count = len(differences.values)
    if count < 2:
        return np.full(len(differences), np.nan)
    # Two patterns that give the same may differ by rounding, and must count as equal.
    reach = np.abs(differences.sums()) * (1 - 1e-12) - differences.rounding()
    at_least = np.zeros(len(differences))
    training = _training_draws(seed)
    for signs in _sign_patterns(count, resamples, seed):
        sums = differences.values.T @ signs.T  # of a column side by side, as they are taken
        moved = None if chance is None else count * chance.draw(training, len(signs))
        for part in in_turns([len(signs)] * len(differences), CHUNK // 8):
            found = sums[differences.first[part]]
            found -= sums[differences.second[part]]
            if moved is not None:
                found += moved[:, part].T
            np.abs(found, out=found)
            at_least[part] += np.count_nonzero(found >= reach[part, None], axis=1)
    return (at_least + 1) / (resamples + 1)


def holm(p_values: Floats) -> Floats:
    """P-values corrected for several comparisons (Holm, Scandinavian Journal of Statistics 1979): (M,) to (M,).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def near_level(corrected: Floats, p_values: Floats, patterns: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Which corrected p-values may be on the other side of 5 % than they seem, drawn as they are from random patterns.

    Args:
        corrected: (M,), of `holm`.
        p_values: (M,) before the correction.
        patterns: (M,) how many each was drawn from; infinite for an exact one.

    Returns:
        (M,) whether the level is within three standard errors, and (M,) the upper ends of these intervals.
    """
    reach = 3 * corrected / p_values * np.sqrt(p_values * (1 - p_values) / patterns)
    return np.abs(corrected - LEVEL) < reach, np.minimum(corrected + reach, 1.0)


def sharper_p_values(
    differences: Differences, known: Floats, resamples: int, seed: int, chance: Chance | None = None
) -> tuple[Floats, float]:
    """`paired_p_values` of all patterns where they are few enough and training adds no chance, else of the same draws
    and as many more as allowed.

    Args:
        differences, resamples, seed, chance: of `paired_p_values`.
        known: (K,) what it gave, which stays where no more patterns are allowed.

    Returns:
        (K,) p-values, and the number of patterns that they are drawn from; infinite where all were counted.
    """
    count = len(differences.values)
    most = max(resamples, min(MOST_PATTERNS, MOST_SIGNS // count))
    if 2**count > most or chance is not None:
        if most == resamples:
            return known, most
        return paired_p_values(differences.alone(), most, seed, chance), most
    whole = differences.whole()
    observed = np.abs(whole.sum(axis=0))
    signs = 1.0 - 2.0 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    return (np.abs(signs @ whole) >= observed * (1 - 1e-12) - 1e-12).mean(axis=0), np.inf


def in_turns(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Neighbours that are `most` together, or one alone that is more.

    >>> list(in_turns([3, 3, 9, 1], 6))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    first, held = 0, 0
    for place, size in enumerate(sizes):
        if place > first and held + size > most:
            yield slice(first, place)
            first, held = place, 0
        held += size
    if first < len(sizes):
        yield slice(first, len(sizes))


def _training_draws(seed: int) -> np.random.Generator:
    """Draws beside those of the images, which are the same with and without them."""
    return np.random.default_rng([seed, 1])


def _sign_patterns(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Blocks of patterns, (rows, count) of -1 and 1."""
    random = np.random.default_rng(seed)
    for block in _blocks(resamples, count):
        signs = random.integers(0, 2, size=(block, count), dtype=np.int8).astype(np.float64)
        signs *= 2
        signs -= 1
        yield signs


def _blocks(resamples: int, count: int) -> list[int]:
    """How many resamples of `count` numbers to draw at once; the draws are the same in blocks of any size, since numpy
    makes four small integers at a time and drops what is over at the end of a block: all but the last are fours.
    """
    size = max(4, CHUNK // count // 4 * 4)
    return [size] * (resamples // size) + ([resamples % size] if resamples % size else [])
