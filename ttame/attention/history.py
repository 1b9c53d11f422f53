"""What a training notes of its steps and epochs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ttame.attention.loss import Loss

TERMS = ("loss", "cross_entropy", "area", "variation", "masked_accuracy")
HISTORY = (
    "epoch",
    "learning_rate",
    *(f"train_{term}" for term in TERMS),
    *(f"validation_{term}" for term in TERMS),
    "images_per_second",
)
"""Columns of a training's history, one row an epoch."""


class StepResult(NamedTuple):
    """One batch: means of the loss terms, (B,) model truths of all processes, share of masked images keeping theirs."""

    loss: Loss
    labels: Tensor
    kept: Tensor


@dataclass
class Averages:
    """Image-weighted means of the loss terms and of the masked accuracy."""

    sums: Tensor = field(default_factory=lambda: torch.zeros(5, dtype=torch.float64))
    images: int = 0

    def add(self, result: StepResult) -> None:
        values = torch.stack([*(term.detach() for term in result.loss), result.kept])
        self.sums = self.sums.to(values.device) + values.double() * len(result.labels)
        self.images += len(result.labels)

    def row(self, split: str) -> dict[str, float]:
        return {
            f"{split}_{term}": value
            for term, value in zip(TERMS, (self.sums / self.images).cpu().tolist(), strict=True)
        }
