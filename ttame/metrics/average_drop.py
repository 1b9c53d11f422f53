"""Average drop and increase in confidence (Chattopadhay et al., Grad-CAM++, WACV 2018; SPEC of T-TAME, section IV)."""

from __future__ import annotations

import torch
from torch import Tensor

HIGHER_IS_BETTER = {"average_drop": False, "increase_in_confidence": True}


def drop(clean: Tensor, masked: Tensor) -> Tensor:
    """max(0, p - q) / p of each image, and 0 where p is 0.

    Args:
        clean: (N,) p, softmax probability of the model truth on the clean image, in [0, 1].
        masked: (N,) q, the same class's on the masked image, in [0, 1].

    Returns:
        (N,) in [0, 1].
    """
    fallen = (clean - masked).clamp(min=0)
    return torch.where(clean > 0, fallen / clean.clamp(min=torch.finfo(clean.dtype).tiny), 0.0)


def average_drop(clean: Tensor, masked: Tensor) -> float:
    """AD in percent, 100 / N * sum max(0, p - q) / p; lower is better.

    >>> average_drop(torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.9]))
    25.0
    """
    return float(100.0 * drop(clean, masked).mean())


def increase_in_confidence(clean: Tensor, masked: Tensor) -> float:
    """IC in percent, 100 / N * #(q > p), strictly; higher is better.

    >>> increase_in_confidence(torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.9]))
    50.0
    """
    return float(100.0 * (masked > clean).double().mean())
