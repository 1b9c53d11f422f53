"""The learning-rate range test (Smith, WACV 2017): what maximum a one-cycle schedule can have."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from torch import Tensor

from ttame.attention.training import AttentionTraining
from ttame.errors import TTameError

SMOOTHING, DIVERGED = 0.9, 4.0


def rate_range_test(
    training: AttentionTraining, batches: Iterable[Tensor], lowest: float, highest: float, steps: int
) -> pd.DataFrame:
    """Train with a rate that rises geometrically from `lowest` to `highest` at constant momentum.

    It ends early when the smoothed loss is 4 times its smallest value, or no longer finite.

    Args:
        training: an untrained mechanism; what it learns here is thrown away.
        batches: (B, 3, H, W) images in [0, 1], at least `steps` of them.
        lowest: rate of the first step.
        highest: rate of the last step.
        steps: how many.

    Returns:
        A row per step: `learning_rate`, `loss`, and `smoothed_loss`, an exponential mean without its bias to zero.
    """
    rows: list[dict[str, float]] = []
    mean = best = 0.0
    training.network.train()
    for step, images in zip(range(steps), batches, strict=False):
        rate = lowest * (highest / lowest) ** (step / max(1, steps - 1))
        for group in training.optimiser.param_groups:
            group["lr"] = rate
        try:
            loss = training.gradient_step(images).loss.total.item()
        except TTameError:
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smoothed = mean / (1 - SMOOTHING ** (step + 1))
        rows.append({"learning_rate": rate, "loss": loss, "smoothed_loss": smoothed})
        best = smoothed if step == 0 else min(best, smoothed)
        if smoothed > DIVERGED * best:
            break
    return pd.DataFrame(rows, columns=["learning_rate", "loss", "smoothed_loss"])


def suggested_maximum(found: pd.DataFrame) -> float:
    """The rate of the smallest smoothed loss over ten: the largest at which the loss still falls, with a margin.

    Raises:
        TTameError: when the loss never fell.
    """
    lowest = int(found["smoothed_loss"].argmin()) if len(found) else 0
    if lowest == 0:
        raise TTameError("the loss does not fall at any rate; start from a lower one with --lowest")
    return float(found["learning_rate"].iloc[lowest]) / 10
