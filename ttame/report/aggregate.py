"""From rows per image to one row per method: every number in a table is a mean over images."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from ttame.metrics.average_drop import average_drop, increase_in_confidence
from ttame.metrics.road import ORDERS
from ttame.settings import MetricSettings

LOCALISATION = ("pointing_game", "mass_inside")


def summarise(scores: pd.DataFrame, settings: MetricSettings) -> dict[str, float]:
    """The numbers of one method.

    Args:
        scores: one row per image, as the scores stage writes them.
        settings: the shares that were scored.

    Returns:
        images; ad_<share> and ic_<share> in percent; road_<order>_<share> and their mean road_<order> in percent;
        pointing_game and mass_inside in percent where there is ground truth; forward and backward passes per map;
        untrained, percent of the images whose class the training never saw, for a method with training.
    """
    numbers: dict[str, float] = {"images": len(scores)}
    clean = torch.tensor(scores["probability"].to_numpy())
    for share in settings.shares:
        masked = torch.tensor(scores[f"probability_{share}"].to_numpy())
        numbers[f"ad_{share}"] = average_drop(clean, masked)
        numbers[f"ic_{share}"] = increase_in_confidence(clean, masked)
    for order in ORDERS:
        steps = [100.0 * float(scores[f"road_{order}_{share}"].mean()) for share in settings.road.shares]
        numbers[f"road_{order}"] = sum(steps) / len(steps)
        numbers |= {f"road_{order}_{share}": step for share, step in zip(settings.road.shares, steps, strict=True)}
    for column in LOCALISATION:
        if column in scores:
            numbers[column] = 100.0 * float(scores[column].mean())
    numbers["forward_passes"] = float(scores["forward_passes"].mean())
    numbers["backward_passes"] = float(scores["backward_passes"].mean())
    if scores["training_count"].notna().all():
        numbers["untrained"] = 100.0 * float((scores["training_count"] == 0).mean())
    return numbers


def comparison(scores: dict[str, pd.DataFrame], settings: MetricSettings) -> pd.DataFrame:
    """One row per method, indexed by its registry name; a number that a method does not have is missing."""
    return pd.DataFrame({method: summarise(table, settings) for method, table in scores.items()}).T


def seen_in_training(scores: dict[str, pd.DataFrame], trained: Sequence[str]) -> dict[str, pd.DataFrame] | None:
    """The scores of all methods on the images whose class every trained method saw; None when that is all or none."""
    seen: set[str] | None = None
    for method in trained:
        table = scores[method]
        names = set(table.loc[table["training_count"] > 0, "name"])
        seen = names if seen is None else seen & names
    everything = set(next(iter(scores.values()))["name"])
    if not seen or seen == everything:
        return None
    return {method: table[table["name"].isin(seen)] for method, table in scores.items()}
