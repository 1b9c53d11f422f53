"""Grad-CAM++ (Chattopadhay et al., WACV 2018)."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.explainers.families.cam import GradientCAM

EPSILON = 1e-6


class GradCAMPlusPlus(GradientCAM):
    """Activations weighted by their rectified gradients, each with the closed form of equation 19."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        squared = gradient.square()
        total = activation.sum((2, 3), keepdim=True)
        share = squared / (2 * squared + total * squared * gradient + EPSILON)
        share = torch.where(gradient == 0, torch.zeros_like(share), share)
        weights = (share * gradient.relu()).sum((2, 3), keepdim=True)
        return (weights * activation).sum(1)
