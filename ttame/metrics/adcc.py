"""Coherency, complexity and ADCC (Poppi, Cornia, Baraldi, Cucchiara, CVPR Workshops 2021)."""

from __future__ import annotations

import torch
from torch import Tensor


def coherency(maps: Tensor, maps_of_masked: Tensor) -> Tensor:
    """Whether the map of what the map keeps is the map again: (1 + Pearson correlation) / 2 (equation 4).

    Args:
        maps: (B, h, w), normalised, of an image.
        maps_of_masked: (B, h, w), normalised, of the image times its saliency map, for the same target.

    Returns:
        (B,) in [0, 1]; higher is better. A constant map has no correlation with anything, which is 0.5.
    """
    first, second = (_centred(values) for values in (maps, maps_of_masked))
    size = first.norm(dim=1) * second.norm(dim=1)
    correlation = torch.where(size > 0, (first * second).sum(1) / size.clamp(min=1e-300), 0.0)
    return (1 + correlation.clamp(-1, 1)) / 2


def complexity(saliency: Tensor) -> Tensor:
    """How much of the image a map covers: its mean, the L1 norm over the number of pixels (equation 5).

    Args:
        saliency: (B, H, W) in [0, 1], as after min-max normalisation.

    Returns:
        (B,) in [0, 1]; lower is better.
    """
    return saliency.double().mean((1, 2))


def adcc(drop: Tensor, coherency: Tensor, complexity: Tensor) -> Tensor:
    """Harmonic mean of 1 - average drop, coherency and 1 - complexity (equation 6).

    Args:
        drop, coherency, complexity: (B,) in [0, 1]; the drop when the saliency map itself is the mask.

    Returns:
        (B,) in [0, 1], 0 where one of the three is at its worst; higher is better.

    >>> adcc(torch.tensor([0.5]), torch.tensor([1.0]), torch.tensor([0.5]))
    tensor([0.6000])
    """
    parts = torch.stack([1 - drop, coherency, 1 - complexity])
    return torch.where((parts > 0).all(0), 3 / (1 / parts.clamp(min=1e-12)).sum(0), 0.0)


def _centred(values: Tensor) -> Tensor:
    flat = values.double().flatten(1)
    return flat - flat.mean(1, keepdim=True)
