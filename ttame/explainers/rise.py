"""RISE (Petsiuk, Das, Saenko, BMVC 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.inner_batches import InnerBatches
from ttame.explainers.families.inner_precision import in_precision
from ttame.explainers.options import RISEOptions


class RISE(Explainer):
    """Random masks weighted by the score of the class on the masked image, sum(score * mask) / (N p) (equation 6).

    `scores: softmax`, the default, weighs with the probability as the paper does; `logits` is the T-TAME code. The
    masks come from the seed and are the same for all images. They are enlarged a batch at a time from their grids of
    a few cells, so memory does not grow with their number. N forward passes; the target layer is the image.

    Formula:
        L = 1 / (N p) Σ_n p(class | x · M_n) M_n,   M_n: random masks
        A mask is a grid of cells², each kept with probability p, enlarged bilinearly and shifted

    Limits:
        Thousands of passes for one image. A mean over random masks: with few of them the map is noise, and more so for
        large images and small objects, of which a mask keeps a part or nothing. No finer than a cell of the grid.
    """

    def __init__(self, backbone: Backbone, options: RISEOptions) -> None:
        super().__init__(backbone, options)
        self._softmax = options.scores == "softmax"
        self._keep = options.keep
        self._size = backbone.preprocessing.input_size
        device = next(backbone.parameters()).device
        drawn = draw_grids(options.masks, options.cells, self._keep, self._size, options.seed)
        self._grids, self._shifts = (part.to(device) for part in drawn)
        self._batches = InnerBatches(device)
        self._logits = in_precision(backbone, options.precision)

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, H, W) at the resolution of the image, not negative with softmax scores."""
        # A model in half precision sees its own; a sum of thousands of masks would drown in its rounding.
        dtype = torch.promote_types(images.dtype, torch.float32)
        totals = images.new_zeros(len(images), *images.shape[2:], dtype=dtype)
        count = len(self._grids)

        def work(start: int, stop: int) -> None:
            masks = enlarge(self._grids[start:stop].to(images.device, dtype), self._shifts[start:stop], self._size)
            sums = []
            for image, target in zip(images, targets, strict=True):
                logits = self._logits((image * masks[:, None]).to(image)).to(dtype)
                scores = (logits.softmax(1) if self._softmax else logits)[:, target]
                sums.append(torch.einsum("n,nhw->hw", scores, masks))
            totals.add_(torch.stack(sums))

        self._batches.run(count, work)
        return totals / (count * self._keep)


def draw_grids(count: int, cells: int, keep: float, size: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    """The random part of the masks: (N, cells, cells) of 0 and 1, and (N, 2) row and column shifts within a cell."""
    random = np.random.default_rng(seed)
    grids = random.random((count, cells, cells)) < keep
    shifts = np.stack([random.integers(0, -(-side // cells), count) for side in size], axis=1)
    return torch.from_numpy(grids), torch.from_numpy(shifts)


def enlarge(grids: Tensor, shifts: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks of the image's size, (n, H, W) in [0, 1].

    A grid is enlarged to one cell more than the image on every axis, linearly between cell centres and mirrored beyond
    the outermost (scikit-image's `resize` with order 1, as published), and the window at the shift is cut out.

    Args:
        grids: (n, cells, cells).
        shifts: (n, 2) rows and columns.
        size: (H, W).
    """
    cells = grids.shape[1]
    rows, columns = (_interpolation(cells, side, shifts[:, axis]).to(grids) for axis, side in enumerate(size))
    return rows @ grids @ columns.transpose(1, 2)


def _interpolation(cells: int, side: int, shift: Tensor) -> Tensor:
    """(n, side, cells) matrices that sample a row of cells at `side` positions."""
    cell = -(-side // cells)
    position = torch.arange(side, device=shift.device)[None, :] + shift[:, None]
    coordinate = (position.double() + 0.5) * cells / ((cells + 1) * cell) - 0.5
    coordinate = coordinate.abs()
    coordinate = torch.where(coordinate > cells - 1, 2 * (cells - 1) - coordinate, coordinate)
    return (1 - (coordinate[:, :, None] - torch.arange(cells, device=shift.device)).abs()).clamp(min=0)
