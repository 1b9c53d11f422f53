"""Eigen-Grad-CAM: Eigen-CAM made to depend on the class, as the package grad-cam defines it."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM
from ttame.explainers.families.principal_component import principal_component


class EigenGradCAM(GradientCAM):
    """The first principal component of gradient times activation."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return principal_component(gradient * activation)
