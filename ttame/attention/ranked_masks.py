"""Masks of which a top part alone has to keep the class, so that training orders the pixels too.

The published loss judges whole soft masks, which leaves the order of the pixels within them open. Ours: no paper has
it.
"""

from __future__ import annotations

import torch
from torch import Tensor

WIDTH = 0.15
"""Of the soft step between what is kept and what is not, on a mask's scale from 0 to 1."""
FLATTEST = 0.01
"""Range below which a mask is not stretched to all of [0, 1], since its slopes would be without bound."""


def rank_masks(masks: Tensor, tops: Tensor) -> Tensor:
    """Masks times sigmoid(2 (m - t) / 0.15), m the min-max normalised mask and t its quantile at 1 - top.

    Gradients flow through the whole formula, so that raising all pixels of a mask opens no more of it. Of a constant
    mask, in which nothing is ranked, half stays.

    Args:
        masks: (B, 1, h, w) in [0, 1].
        tops: (B,) share in [0, 1] of the pixels to keep; nan leaves a mask as it is.

    Returns:
        (B, 1, h, w) in [0, 1].
    """
    tops = tops.to(masks)
    flat = masks.flatten(1)
    lowest, highest = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
    normalised = (flat - lowest) / (highest - lowest).clamp_min(FLATTEST)
    thresholds = _quantiles(normalised, 1 - tops.nan_to_num(1.0))
    kept = torch.sigmoid(2 * (normalised - thresholds[:, None]) / WIDTH)
    return torch.where(tops.isnan()[:, None], flat, flat * kept).view_as(masks)


def _quantiles(values: Tensor, shares: Tensor) -> Tensor:
    """(B,) of (B, N) values at (B,) shares in [0, 1], linear between two values as in `torch.quantile`."""
    ordered = values.sort(dim=1, stable=True).values
    places = shares * (values.shape[1] - 1)
    below = places.floor().long()[:, None]
    above = (below + 1).clamp_max(values.shape[1] - 1)
    low, high = ordered.gather(1, below)[:, 0], ordered.gather(1, above)[:, 0]
    return low + (high - low) * (places - below[:, 0])
