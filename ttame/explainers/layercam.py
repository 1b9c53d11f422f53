"""Layer-CAM (Jiang et al., IEEE TIP 2021)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class LayerCAM(GradientCAM):
    """Every position of the activation weighted by its own rectified gradient (equations 7 and 8)."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return (gradient.relu() * activation).sum(1)
