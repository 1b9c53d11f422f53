"""Average drop and increase in confidence (Chattopadhay et al., Grad-CAM++, WACV 2018), and average gain (Zhang et al.,
Opti-CAM, 2023, arXiv 2301.07002).

All are means over images, in percent: AD = 100 / N * sum max(0, p - q) / p, lower is better; IC = 100 / N * #(q > p),
higher is better; AG = 100 / N * sum max(0, q - p) / (1 - p), higher is better. Here is what each image adds. None of
them can tell a map from one that keeps nearly everything: the larger the mask, the better AD.
"""

from __future__ import annotations

import torch
from torch import Tensor


def drop(clean: Tensor, masked: Tensor) -> Tensor:
    """max(0, p - q) / p of each image, and 0 where p is 0.

    Args:
        clean: (N,) p, softmax probability of the target on the clean image, in [0, 1].
        masked: (N,) q, the target's on the masked image, in [0, 1].

    Returns:
        (N,) in [0, 1].
    """
    fallen = (clean - masked).clamp(min=0)
    return torch.where(clean > 0, fallen / clean.clamp(min=torch.finfo(clean.dtype).tiny), 0.0)


def increase(clean: Tensor, masked: Tensor) -> Tensor:
    """Whether q > p, strictly.

    Args:
        clean: (N,) p, as for `drop`.
        masked: (N,) q.

    Returns:
        (N,) bool.
    """
    return masked > clean


def gain(clean: Tensor, masked: Tensor) -> Tensor:
    """max(0, q - p) / (1 - p) of each image, and 0 where p is 1: how much of what was missing the mask brought.

    Args:
        clean: (N,) p, as for `drop`.
        masked: (N,) q.

    Returns:
        (N,) in [0, 1].
    """
    risen = (masked - clean).clamp(min=0)
    return torch.where(clean < 1, risen / (1 - clean).clamp(min=torch.finfo(clean.dtype).tiny), 0.0)
