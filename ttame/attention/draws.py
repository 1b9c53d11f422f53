"""What is drawn for the images of a training batch: whose mask is ranked, by which share, and whose fill is blurred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ttame.attention.blurred_fill import fill_blurred
from ttame.attention.ranked_masks import rank_masks
from ttame.backbones.backbone import Backbone
from ttame.params.attention import LossSettings

SMALLEST_TOP = 0.05
"""Least share of a ranked mask's pixels that has to keep the class."""


@dataclass(frozen=True)
class Draws:
    """Of (b,) images of one batch; None where nothing is drawn.

    Attributes:
        tops: float32, share of the pixels that has to keep the class, or nan for a mask that stays whole.
        blurred: bool, whether the blurred image fills what the mask takes away.
    """

    tops: Tensor | None = None
    blurred: Tensor | None = None

    def rank(self, masks: Tensor) -> Tensor:
        """(b, 1, h, w) masks, of the drawn images their top part alone; see `rank_masks`."""
        return masks if self.tops is None else rank_masks(masks, self.tops)

    def fill(self, masked: Tensor, images: Tensor, masks: Tensor, backbone: Backbone) -> Tensor:
        """(b, 3, H, W) masked images, the drawn ones filled with the blurred image; see `fill_blurred`."""
        return masked if self.blurred is None else fill_blurred(masked, images, masks, self.blurred, backbone)


def draw(settings: LossSettings, key: Sequence[int], first: int, count: int, batch: int) -> Draws:
    """The draws of images `first` to `first + count` of a batch.

    They are those of the whole batch and a function of the key alone, so neither the number of processes nor a training
    that goes on after a kill changes one.

    Args:
        settings: the shares of images; of a share of 0 nothing is drawn.
        key: seed, epoch and number of the batch in the epoch.
        first: place in the batch of this process's first image.
        count: images of this process.
        batch: images of all processes.
    """
    random = np.random.default_rng([*key, 1])  # one more than the key of an image's crop
    of_ranking, tops, of_filling = random.random((3, batch))[:, first : first + count]
    tops = np.where(of_ranking < settings.ranked_masks, SMALLEST_TOP + (1 - SMALLEST_TOP) * tops, np.nan)
    return Draws(
        torch.from_numpy(tops.astype(np.float32)) if settings.ranked_masks else None,
        torch.from_numpy(of_filling < settings.blurred_fill) if settings.blurred_fill else None,
    )
