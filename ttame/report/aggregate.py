"""From rows per image to one row per method: every quality in a table is a mean over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from numpy.typing import NDArray

from ttame.metrics.asked import Asked
from ttame.metrics.average_drop import drop, gain, increase
from ttame.metrics.road import ORDERS
from ttame.params.evaluation import MetricSettings
from ttame.store.seeds import SEED

FRACTIONS = ("deletion", "insertion", "coherency", "complexity", "adcc", "pointing_game", "mass_inside")
"""Columns of the scores in [0, 1] that are taken as they are; not every data set and setting has all of them."""


def qualities(scores: pd.DataFrame, settings: MetricSettings, asked: Asked | None = None) -> pd.DataFrame:
    """What every image adds to the numbers of one method, in percent.

    Args:
        scores: one row per image, as the scores stage writes them, or per seed and image.
        settings: the shares that were scored, in percent of the pixels.
        asked: what was scored; all of it by default.

    Returns:
        A row per image, indexed by its name, or by seed and name: ad_<share>, ic_<share> and ag_<share>;
        road_<order>_<share> and their mean road_<order>; and, where the scores have them, deletion, insertion,
        coherency, complexity, adcc, pointing_game, mass_inside.
    """
    asked = asked or Asked(settings.shares)
    numbers = confidence_qualities(scores, asked.shares) | road_qualities(scores, settings.road.shares, asked.orders)
    numbers |= {name: scores[name].to_numpy() for name in FRACTIONS if name in scores}
    index = pd.MultiIndex.from_frame(scores[[SEED, "name"]]) if SEED in scores else pd.Index(scores["name"])
    return 100.0 * pd.DataFrame(numbers, index=index).astype(float)


def confidence_qualities(scores: pd.DataFrame, shares: Sequence[int]) -> dict[str, NDArray[Any]]:
    """ad_<share>, ic_<share> and ag_<share> of every row, in [0, 1], from probability and probability_<share>."""
    clean = torch.tensor(scores["probability"].to_numpy())
    numbers = {}
    for share in shares:
        masked = torch.tensor(scores[f"probability_{share}"].to_numpy())
        numbers[f"ad_{share}"] = drop(clean, masked).numpy()
        numbers[f"ic_{share}"] = increase(clean, masked).numpy()
        numbers[f"ag_{share}"] = gain(clean, masked).numpy()
    return numbers


def road_qualities(
    scores: pd.DataFrame, shares: Sequence[int], orders: Sequence[str] = ORDERS
) -> dict[str, NDArray[Any]]:
    """road_<order>_<share> of every row, in [0, 1], and their mean over the shares, road_<order>."""
    numbers = {}
    for order in orders:
        steps = scores[[f"road_{order}_{share}" for share in shares]].astype(float)
        numbers[f"road_{order}"] = steps.mean(axis=1).to_numpy()
        numbers |= {str(name): steps[name].to_numpy() for name in steps}
    return numbers


def summarise(scores: pd.DataFrame, settings: MetricSettings) -> dict[str, float]:
    """The numbers of one method.

    Returns:
        images; the means of `qualities`; forward and backward passes per map; untrained, percent of the images whose
        class the training never saw, for a method whose training was counted (an imported one's was not), and
        untrained_is_cam, 1 where such a class keeps the map of CAM that the training started from.
    """
    numbers: dict[str, float] = {"images": int(scores["name"].nunique())}
    numbers |= {str(name): float(mean) for name, mean in qualities(scores, settings).mean().items()}
    numbers["forward_passes"] = float(scores["forward_passes"].mean())
    numbers["backward_passes"] = float(scores["backward_passes"].mean())
    if _counted(scores):
        numbers["untrained"] = 100.0 * float((scores["training_count"] == 0).mean())
        if "untrained_is_cam" in scores:
            numbers["untrained_is_cam"] = 1.0
    return numbers


def comparison(scores: Mapping[str, pd.DataFrame], settings: MetricSettings) -> pd.DataFrame:
    """One row per method, indexed by its registry name; a number that a method does not have is missing."""
    return pd.DataFrame({method: summarise(table, settings) for method, table in scores.items()}).T


def seen_in_training(scores: Mapping[str, pd.DataFrame], trained: Sequence[str]) -> dict[str, pd.DataFrame] | None:
    """The scores of all methods on the images whose class every trained method saw; None when that is all or none.

    Of an imported mechanism nobody knows which classes it saw, so it has no say.
    """
    seen: set[str] | None = None
    for method in trained:
        table = scores[method]
        if not _counted(table):
            continue
        names = set(table["name"]) - set(table.loc[table["training_count"] == 0, "name"])  # unseen by one of its seeds
        seen = names if seen is None else seen & names
    everything = set(next(iter(scores.values()))["name"])
    if not seen or seen == everything:
        return None
    return {method: table[table["name"].isin(seen)] for method, table in scores.items()}


def _counted(scores: pd.DataFrame) -> bool:
    """Whether it is known how often each class was seen; a published checkpoint has -1 for unknown."""
    counts = scores["training_count"]
    return bool(counts.notna().all() and (counts >= 0).all())
