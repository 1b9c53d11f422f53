"""The training loss: cross-entropy of the masked images, area and variation of the masks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ttame.params.attention import LossSettings

AREA_OFFSET, BORDER_WEIGHT = 0.0005, 0.3


class Loss(NamedTuple):
    """Weighted terms and their sum, each a scalar."""

    total: Tensor
    cross_entropy: Tensor
    area: Tensor
    variation: Tensor


def mask_area(masks: Tensor, power: float = 0.3) -> Tensor:
    """Mean of (m + 0.0005) ** power over all elements of masks in [0, 1] (TAME, equation 7); a scalar."""
    return ((masks + AREA_OFFSET) ** power).mean()


def mask_variation(masks: Tensor) -> Tensor:
    """Roughness of (B, M, h, w) masks, or of masks with more spatial axes (TAME, equation 6); a scalar.

    Squared differences of neighbours along every spatial axis plus 0.3 times the squares on the borders of each,
    summed over everything, over 2 B. The published code divides by the images B alone, so the term grows with the
    number of masks and of pixels.
    """
    total = masks.new_zeros(())
    for axis in range(2, masks.ndim):
        last = masks.shape[axis] - 1
        differences = masks.diff(dim=axis).square().sum()
        borders = masks.select(axis, 0).square().sum() + masks.select(axis, last).square().sum()
        total = total + differences + BORDER_WEIGHT * borders
    return total / (2 * len(masks))


def attention_loss(masks: Tensor, logits: Tensor, labels: Tensor, weights: LossSettings) -> Loss:
    """The loss of one step (TAME, equation 5).

    Args:
        masks: (B, M, h, w) in [0, 1], chosen by the masking mode.
        logits: (B, K) of the masked images.
        labels: (B,) model truths.
        weights: of the three terms, 1.5, 2 and 0.01 in the paper, and the power of the area, 0.3 there.
    """
    cross_entropy = weights.cross_entropy * functional.cross_entropy(logits, labels)
    area = weights.area * mask_area(masks, weights.area_power)
    variation = weights.variation * mask_variation(masks)
    return Loss(torch.stack([cross_entropy, area, variation]).sum(), cross_entropy, area, variation)
