"""Eigen-Grad-CAM: Eigen-CAM made to depend on the class, as the package grad-cam defines it."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM
from ttame.explainers.families.principal_component import principal_component


class EigenGradCAM(GradientCAM):
    """The first principal component of gradient times activation.

    Formula:
        L = relu(C v₁),   as Eigen-CAM of g_k(i, j) A_k(i, j) instead of A_k(i, j)

    Limits:
        The sign of a principal component is arbitrary, and the one that is chosen here agrees with the strength of
        gradient times activation, whichever way that speaks: evidence against the class can be shown. No paper of its
        own.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return principal_component(gradient * activation)
