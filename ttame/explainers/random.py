"""Control: uniform noise. A method that does not beat it explains nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.options import RandomOptions
from ttame.runtime.seeding import image_seed


class Random(Explainer):
    """Independent uniform values in [0, 1) on a coarse grid, seeded by the image's name.

    Formula:
        L(i, j) ~ uniform [0, 1) on a grid of cells², enlarged to the image

    Limits:
        Always: it looks at nothing. A method that does not beat it explains nothing.
    """

    def __init__(self, backbone: Backbone, options: RandomOptions) -> None:
        super().__init__(backbone, options)
        self._cells = options.cells
        self._seed = options.seed

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, cells, cells) in [0, 1)."""
        maps = [
            np.random.default_rng(image_seed(self._seed, sample.name)).random((self._cells, self._cells), np.float32)
            for sample in samples
        ]
        return torch.from_numpy(np.stack(maps)).to(images.device)
