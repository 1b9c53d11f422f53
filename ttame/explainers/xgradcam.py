"""XGrad-CAM (Fu et al., BMVC 2020)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM

EPSILON = 1e-7


class XGradCAM(GradientCAM):
    """Activations weighted by the mean of their gradient, itself weighted by the activation (equation 8)."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        total = activation.sum((2, 3), keepdim=True)
        weights = (gradient * activation / (total + EPSILON)).sum((2, 3), keepdim=True)
        return (weights * activation).sum(1)
