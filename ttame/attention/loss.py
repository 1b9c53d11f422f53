"""The training loss: cross-entropy of the masked images, area and variation of the masks."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ttame.settings import LossSettings

AREA_OFFSET, AREA_POWER, BORDER_WEIGHT = 0.0005, 0.3, 0.3


class Loss(NamedTuple):
    """Weighted terms and their sum, each a scalar."""

    total: Tensor
    cross_entropy: Tensor
    area: Tensor
    variation: Tensor


def mask_area(masks: Tensor) -> Tensor:
    """Mean of (m + 0.0005) ** 0.3 over all elements of masks in [0, 1] (TAME, equation 7); a scalar."""
    return ((masks + AREA_OFFSET) ** AREA_POWER).mean()


def mask_variation(masks: Tensor) -> Tensor:
    """Roughness of (B, M, h, w) masks (TAME, equation 6); a scalar, 0 for masks that are 0 everywhere.

    Squared differences of vertical and horizontal neighbours plus 0.3 times the squares on the four borders, summed
    over everything, over 2 B. The published code divides by the images B alone, so the term grows with the number of
    masks and of pixels.
    """
    vertical = (masks[:, :, 1:] - masks[:, :, :-1]).square().sum()
    horizontal = (masks[:, :, :, 1:] - masks[:, :, :, :-1]).square().sum()
    rows = masks[:, :, (0, -1), :].square().sum()
    columns = masks[:, :, :, (0, -1)].square().sum()
    return (vertical + horizontal + BORDER_WEIGHT * (rows + columns)) / (2 * len(masks))


def attention_loss(masks: Tensor, logits: Tensor, labels: Tensor, weights: LossSettings) -> Loss:
    """The loss of one step (TAME, equation 5).

    Args:
        masks: (B, M, h, w) in [0, 1], chosen by the masking mode.
        logits: (B, K) of the masked images.
        labels: (B,) model truths.
        weights: of the three terms; 1.5, 2 and 0.01 in the paper.
    """
    cross_entropy = weights.cross_entropy * functional.cross_entropy(logits, labels)
    area = weights.area * mask_area(masks)
    variation = weights.variation * mask_variation(masks)
    return Loss(torch.stack([cross_entropy, area, variation]).sum(), cross_entropy, area, variation)
