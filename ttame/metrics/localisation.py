"""Does the map point at the object? Only where the data says where the object is."""

from __future__ import annotations

from torch import Tensor

from ttame.metrics.masking import rank_pixels


def pointing_game(saliency: Tensor, object_masks: Tensor) -> Tensor:
    """Whether the most salient pixel lies on the object (Zhang et al., excitation backprop, ECCV 2016).

    Args:
        saliency: (B, H, W); the first pixel wins a tie, so that a constant map gets no credit for being everywhere.
        object_masks: (B, H, W) bool.

    Returns:
        (B,) bool; higher is better.
    """
    peak = rank_pixels(saliency)[:, :1]
    return object_masks.flatten(1).gather(1, peak)[:, 0]


def mass_inside(saliency: Tensor, object_masks: Tensor) -> Tensor:
    """Fraction of a map's mass that lies on the object (relevance mass, Arras et al., Information Fusion 2022).

    Args:
        saliency: (B, H, W), not negative, as after min-max normalisation.
        object_masks: (B, H, W) bool.

    Returns:
        (B,) in [0, 1], 0 for a map without mass; higher is better.
    """
    total = saliency.double().sum((1, 2))
    inside = (saliency * object_masks).double().sum((1, 2))
    return inside / total.clamp(min=1e-12)
