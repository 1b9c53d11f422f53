"""XGrad-CAM (Fu et al., BMVC 2020)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM

EPSILON = 1e-7


class XGradCAM(GradientCAM):
    """Activations weighted by the mean of their gradient, itself weighted by the activation (equation 8).

    Formula:
        L = relu(Σ_k w_k A_k),   w_k = Σ_ij A_k(i, j) g_k(i, j) / (Σ_ij A_k(i, j) + 1e-7)

    Limits:
        The sum of a channel is the divisor. After a ReLU that is harmless; the features of a transformer, or of a
        network that ends in a norm, have either sign, their sum may be near 0, and the weight is then as large as it
        likes.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        total = activation.sum((2, 3), keepdim=True)
        weights = (gradient * activation / (total + EPSILON)).sum((2, 3), keepdim=True)
        return (weights * activation).sum(1)
