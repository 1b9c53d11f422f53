"""Control: a Gaussian in the middle of every image, where photographers put the object."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.options import CenterOptions

CELLS = 56


class Center(Explainer):
    """exp(-r^2 / 2 sigma^2), r the distance from the centre and sigma a share of the side; the same for all images.

    Formula:
        L(i, j) = exp(-r² / 2σ²),   r: distance from the middle, σ: a share of the side

    Limits:
        Wherever the object is not in the middle. On photographs that people took it often is, so this is the control
        that is hard to beat.
    """

    def __init__(self, backbone: Backbone, options: CenterOptions) -> None:
        super().__init__(backbone, options)
        offset = (torch.arange(CELLS) + 0.5) / CELLS - 0.5
        squared = offset[:, None].square() + offset[None, :].square()
        self._map = torch.exp(-squared / (2 * options.sigma**2))

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, 56, 56) in (0, 1]."""
        return self._map.to(images.device).expand(len(images), -1, -1)
