"""HiResCAM (Draelos and Carin, 2020)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class HiResCAM(GradientCAM):
    """Every position of the activation times its own gradient, summed over channels (equation 4).

    Formula:
        L = relu(Σ_k g_k A_k), position by position

    Limits:
        Sums to the logit only where all that follows the layer is linear; elsewhere the gradient of one point says
        little of the way to another. As coarse as the target layer, and noisier than Grad-CAM where gradients are.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return (gradient * activation).sum(1)
