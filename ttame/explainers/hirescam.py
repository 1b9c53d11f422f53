"""HiResCAM (Draelos and Carin, 2020)."""

from __future__ import annotations

from torch import Tensor

from ttame.explainers.families.cam import GradientCAM


class HiResCAM(GradientCAM):
    """Every position of the activation times its own gradient, summed over channels (equation 4)."""

    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """Of two (B, C, h, w), (B, h, w)."""
        return (gradient * activation).sum(1)
