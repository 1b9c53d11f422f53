"""Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class GradCAM(GradientCAM):
    """Activations weighted by the spatial mean of their gradient (equations 1 and 2).

    Formula:
        L = relu(Σ_k w_k A_k),   w_k = mean_ij g_k(i, j)
        A_k: channel k of the target layer; g_k = ∂y / ∂A_k; y: the logit of the class

    Limits:
        One weight for a whole channel says nothing of where in the channel the evidence is: a channel that speaks for
        the class in one place and against it in another is shown wherever it is active. It equals CAM only where the
        head reads the mean over positions. On a transformer the mean gradient of the patch tokens is close to noise,
        since the head reads the class token. As coarse as the target layer.
    """

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        weights = gradient.mean((2, 3), keepdim=True)
        return (weights * activation).sum(1)
