"""Rules of layer-wise relevance propagation through a transformer (Chefer et al., CVPR 2021, section 3.1; alpha = 1).

Each rule takes the relevance of an operation's output to its inputs. The first axis counts images, and no rule lets one
image see another. Normalisation, activations and softmax pass relevance on as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-9


def safe_divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """a / (b + 1e-9), and 0 where b is 0."""
    shifted = denominator + EPSILON
    shifted = torch.where(shifted == 0, torch.full_like(shifted, EPSILON), shifted)
    return numerator / shifted * (denominator != 0)


def linear_rule(inputs: Tensor, weight: Tensor, relevance: Tensor) -> Tensor:
    """Through a linear layer, by the positive contributions alone; its bias is ignored.

    Args:
        inputs: (..., C).
        weight: (D, C).
        relevance: (..., D).

    Returns:
        (..., C).
    """
    positive, negative = inputs.clamp(min=0), inputs.clamp(max=0)
    positive_weight, negative_weight = weight.clamp(min=0), weight.clamp(max=0)
    total = functional.linear(positive, positive_weight) + functional.linear(negative, negative_weight)
    share = safe_divide(relevance, total)
    return positive * (share @ positive_weight) + negative * (share @ negative_weight)


def product_rule(left: Tensor, right: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Through left @ right; each operand gets half of what it would get alone."""
    share = safe_divide(relevance, left @ right)
    return left * (share @ right.transpose(-2, -1)) / 2, right * (left.transpose(-2, -1) @ share) / 2


def sum_rule(first: Tensor, second: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Through first + second: in proportion to the terms, then rescaled so that their totals share the relevance.

    The totals are taken over each image; the published code takes them over the batch, so it is right for one image at
    a time only.
    """
    share = safe_divide(relevance, first + second)
    parts = first * share, second * share
    totals = [_total(part) for part in parts]
    whole, size = _total(relevance), totals[0].abs() + totals[1].abs()
    rescaled = [
        part * safe_divide(safe_divide(total.abs(), size) * whole, total)
        for part, total in zip(parts, totals, strict=True)
    ]
    return rescaled[0], rescaled[1]


def copy_rule(inputs: Tensor, *relevances: Tensor) -> Tensor:
    """Through a fan-out: what the copies of an input received, together."""
    return inputs * torch.stack([safe_divide(relevance, inputs) for relevance in relevances]).sum(0)


def _total(tensor: Tensor) -> Tensor:
    """Sum over everything but images, kept broadcastable."""
    return tensor.sum(tuple(range(1, tensor.ndim)), keepdim=True)
