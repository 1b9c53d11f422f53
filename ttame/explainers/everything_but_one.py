"""Control: a map that keeps everything but one corner. A measure that it wins measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer

CELLS = 56


class EverythingButOne(Explainer):
    """1 everywhere but in the upper left of 56 x 56 cells; the same for all images.

    Formula:
        L(i, j) = 1, but 0 in the upper left of 56 x 56 cells

    Limits:
        Always: it looks at nothing. AD and IC prefer it to every method, which says something of AD and IC.
    """

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, 56, 56) ones, and a zero."""
        maps = torch.ones(len(images), CELLS, CELLS, device=images.device)
        maps[:, 0, 0] = 0
        return maps
