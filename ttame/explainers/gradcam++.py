"""Grad-CAM++ (Chattopadhay et al., WACV 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.explainers.families.cam import GradientCAM

EPSILON = 1e-6


class GradCAMPlusPlus(GradientCAM):
    """Activations weighted by their rectified gradients, each with the closed form of equation 19.

    Formula:
        L = relu(Σ_k w_k A_k),   w_k = Σ_ij α_k(i, j) relu(g_k(i, j))
        α_k = g_k² / (2 g_k² + g_k³ Σ_ij A_k(i, j)), 0 where g_k is 0

    Limits:
        The closed form stands for the exponential of the logit, as if it had no other derivatives; it is exact for a
        network that is piecewise linear above the layer. Negative gradients are dropped, so a channel that speaks for
        the class in one place and against it in another counts as if it spoke for it alone. Otherwise as Grad-CAM.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        squared = gradient.square()
        total = activation.sum((2, 3), keepdim=True)
        share = squared / (2 * squared + total * squared * gradient + EPSILON)
        share = torch.where(gradient == 0, torch.zeros_like(share), share)
        weights = (share * gradient.relu()).sum((2, 3), keepdim=True)
        return (weights * activation).sum(1)
