"""A term of the loss that asks the rest of the image, what a mask takes away, to lose the class.

The published loss asks the masked image alone, and of two masks that keep the class it prefers the smaller one; of what
is left outside it says nothing. Ours: no paper has it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.attention.loss import Loss
from ttame.params.attention import LossSettings


def complement_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -log(1 - p), p the probability of the label; a scalar that is 0 where no image has its class left.

    Args:
        logits: (B, K) of the images times 1 - m.
        labels: (B,) model truths.
    """
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return (logits.logsumexp(1) - others.logsumexp(1)).mean()


def asking_complement(loss: Loss, logits: Tensor, labels: Tensor, weights: LossSettings) -> Loss:
    """A loss with the weighted term in its total; the history has no column for it."""
    return loss._replace(total=loss.total + weights.complement * complement_loss(logits, labels))
