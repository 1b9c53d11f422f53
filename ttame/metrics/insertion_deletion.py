"""Insertion and deletion (Petsiuk, Das, Saenko, RISE, BMVC 2018, section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.data.blurring import blurred
from ttame.metrics.masking import rank_pixels, removed_pixels

CURVES = ("insertion", "deletion")


def insertion_images(images: Tensor, saliency: Tensor, steps: int, blur: float) -> Tensor:
    """A blurred image whose most salient pixels come back sharp, more of them at every step.

    Args:
        images: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        steps: S; step k of 0 to S - 1 shows k / S of the pixels. Step S, not among them, is the image itself.
        blur: standard deviation of the blur as a fraction of the shorter side; RISE blurs by 5 of 224 pixels.

    Returns:
        (B, S, 3, H, W).
    """
    shown = _most_salient(saliency, steps)[:, :-1]
    return torch.where(shown.unsqueeze(2), images.unsqueeze(1), blurred(images, blur).unsqueeze(1))


def deletion_images(images: Tensor, saliency: Tensor, steps: int) -> Tensor:
    """An image whose most salient pixels become 0, the mean colour, more of them at every step.

    Args:
        images: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        steps: S; step k of 1 to S deletes k / S of the pixels. Step 0, not among them, is the image itself.

    Returns:
        (B, S, 3, H, W).
    """
    deleted = _most_salient(saliency, steps)[:, 1:]
    return torch.where(deleted.unsqueeze(2), 0.0, images.unsqueeze(1))


def area_under_curve(probabilities: Tensor) -> Tensor:
    """Area under a curve of probabilities at equal steps from none to all pixels, by the trapezoidal rule.

    Args:
        probabilities: (B, S + 1) in [0, 1].

    Returns:
        (B,) in [0, 1]; higher is better for insertion and lower for deletion.
    """
    return torch.trapezoid(probabilities, dx=1 / (probabilities.shape[1] - 1), dim=1)


def _most_salient(saliency: Tensor, steps: int) -> Tensor:
    """(B, S + 1, H, W) bool, the k / S most salient pixels for k = 0 to S, ties by position."""
    order = rank_pixels(saliency)
    chosen = [removed_pixels(order, 100 * step / steps) for step in range(steps + 1)]
    return torch.stack(chosen, dim=1).view(len(saliency), steps + 1, *saliency.shape[1:])
