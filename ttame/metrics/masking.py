"""From a raw map to a saliency map, and from that to a mask or a ranking of pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-10


def normalise_map(raw_maps: Tensor) -> Tensor:
    """Min-max normalise each map: (m - min) / (max - min + 1e-10).

    Args:
        raw_maps: (B, h, w), any real values. NaN and infinite values count as the smallest finite one of their map: a
            method that has no value for a pixel does not call it relevant.

    Returns:
        (B, h, w) in [0, 1]. A constant map, and one without any finite value, becomes 0 everywhere: it says nothing.
    """
    flat = raw_maps.flatten(1)
    finite = flat.isfinite()
    lowest = torch.where(finite, flat, torch.inf).amin(1, keepdim=True)
    lowest = torch.where(lowest.isfinite(), lowest, 0.0)
    shifted = torch.where(finite, flat, lowest) - lowest
    return (shifted / (shifted.amax(1, keepdim=True) + EPSILON)).view_as(raw_maps)


def resize_map(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, h, w) to (B, H, W), bilinear with align_corners=False; values stay within the range of the map."""
    if maps.shape[1:] == size:
        return maps
    return functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)[:, 0]


def saliency_map(raw_maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Normalised, then resized to the input: (B, h, w) raw maps to (B, H, W) in [0, 1]."""
    return resize_map(normalise_map(raw_maps), size)


def keep_most_salient(saliency: Tensor, percent: float) -> Tensor:
    """The mask that keeps the most salient pixels: what lies below the map's own quantile becomes 0, the rest keeps its
    value.

    Args:
        saliency: (B, H, W) in [0, 1].
        percent: of the pixels to keep, in (0, 100]; 100 changes nothing.

    Returns:
        (B, H, W) in [0, 1].
    """
    flat = saliency.flatten(1)
    # In double precision, since the position of the quantile between two pixels is computed from their count.
    threshold = flat.double().quantile(1.0 - percent / 100.0, dim=1, keepdim=True)
    return torch.where(flat.double() < threshold, 0.0, flat).view_as(saliency)


def rank_pixels(saliency: Tensor) -> Tensor:
    """Order of the pixels from the most to the least salient, ties by position.

    Args:
        saliency: (B, H, W).

    Returns:
        (B, H * W) int64 indices into the flattened image.
    """
    return saliency.flatten(1).argsort(dim=1, descending=True, stable=True)


def removed_pixels(order: Tensor, percent: float) -> Tensor:
    """Mark the first so many percent of an order, to the pixel.

    Args:
        order: (B, N) indices.
        percent: in [0, 100].

    Returns:
        (B, N) bool with exactly round(N * percent / 100) true entries in every row.
    """
    count = round(order.shape[1] * percent / 100.0)
    removed = torch.zeros_like(order, dtype=torch.bool)
    return removed.scatter_(1, order[:, :count], True)
