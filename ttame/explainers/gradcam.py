"""Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class GradCAM(GradientCAM):
    """Activations weighted by the spatial mean of their gradient (equations 1 and 2)."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        weights = gradient.mean((2, 3), keepdim=True)
        return (weights * activation).sum(1)
