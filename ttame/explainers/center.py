"""Control: a Gaussian in the middle of every image, where photographers put the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer

CELLS = 56


class Center(Explainer):
    """exp(-r^2 / 2 sigma^2), r the distance from the centre and sigma a share of the side; the same for all images."""

    def __init__(self, backbone: Backbone, options: Mapping[str, Any], checkpoint: Path | None) -> None:
        super().__init__(backbone, options, checkpoint)
        offset = (torch.arange(CELLS) + 0.5) / CELLS - 0.5
        squared = offset[:, None].square() + offset[None, :].square()
        self._map = torch.exp(-squared / (2 * float(options["sigma"]) ** 2))

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, 56, 56) in (0, 1]."""
        return self._map.to(images.device).expand(len(images), -1, -1)
