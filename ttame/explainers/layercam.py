"""Layer-CAM (Jiang et al., IEEE TIP 2021)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class LayerCAM(GradientCAM):
    """Every position of the activation weighted by its own rectified gradient (equations 7 and 8).

    Formula:
        L = relu(Σ_k relu(g_k) A_k), position by position

    Limits:
        Negative gradients are dropped one by one, so evidence for and against the class in one place does not cancel.
        At a single position the gradient is noisier than its mean over a channel.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return (gradient.relu() * activation).sum(1)
