"""Single deletion (Hesse, Schaub-Meyer, Roth, Benchmarking the attribution quality of vision models, NeurIPS 2024)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ttame.data.blurring import blurred
from ttame.measures.column import SILENT
from ttame.measures.measure import Measure, cell_masks, refuse_other_sizes
from ttame.measures.options import SingleDeletionOptions
from ttame.metrics.masking import resize_map
from ttame.metrics.rank_correlation import rank_correlation
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.scratch import Scratch

BLUR = 10 / 224
"""Standard deviation as a share of the shorter side."""
SAME = 6
"""Decimals, of the largest sum, to which two cells are told apart: what a sum's order of terms decides is a tie."""


class SingleDeletion(Measure):
    """Spearman's rank correlation, over the cells of a grid, of the map's sum in a cell with the drop of the logit of
    the model truth when that cell is deleted.

    In [-1, 1], higher is better; a map that says the same of every cell counts as 0. It cannot be won by a large map,
    since only the order of the cells counts. It cannot tell what two cells do together, nor anything within a cell,
    and a deleted cell is a picture that the classifier was not trained on. Basis: `drops` (N, cells^2), row by row.
    """

    options: SingleDeletionOptions

    def passes(self, images: int) -> float:
        """The image, and the image without each of its cells."""
        return 1 + self.options.cells**2

    def prepare(self, subject: Subject, scratch: Scratch) -> Basis:
        """Delete every cell of every image.

        Raises:
            NotDefined: when the input cannot be cut into equal cells.
        """
        refuse_other_sizes("single_deletion", subject.name, subject.input_size, self.options.cells)

        def drops(batch: EvaluationBatch) -> dict[str, Tensor]:
            clean = subject.backbone.normalise(batch.images)
            return {"drops": cell_drops(subject.logits, clean, self.options).cpu()}

        pieces = subject.images.finish(scratch, f"basis {subject.name} single_deletion", drops)
        return Basis(
            subject.images.names, subject.input_size, {"drops": torch.cat([piece["drops"] for piece in pieces])}
        )

    def judge(self, subject: Subject, maps: Tensor, basis: Basis, scratch: Scratch) -> Mapping[str, Tensor]:
        """`single_deletion` in [-1, 1]; no forward pass."""
        saliency = resize_map(maps, basis.input_size)
        sums = cell_sums(saliency, self.options.cells)
        correlation = rank_correlation(sums, basis.tensors["drops"])
        return {"single_deletion": correlation, SILENT: (sums == sums[:, :1]).all(1)}


def cell_drops(
    logits_of: Callable[[Tensor], Tensor],
    clean: Tensor,
    options: SingleDeletionOptions,
    targets: Tensor | None = None,
) -> Tensor:
    """How far the logit of a class falls when each cell of the image is deleted.

    Args:
        logits_of: the classifier, from (B, 3, H, W) normalised images to (B, K) logits.
        clean: (B, 3, H, W), normalised; H and W divisible by the cells a side.
        options: cells a side, and what a deleted cell becomes.
        targets: (B,) classes, or None for the model truths.

    Returns:
        (B, cells^2) float64, row by row.
    """
    logits = logits_of(clean).double()
    targets = logits.argmax(1) if targets is None else targets
    fill = blurred(clean, BLUR) if options.fill == "blur" else torch.zeros_like(clean)
    found = []
    for cell in cell_masks(clean.shape[2:], options.cells).to(clean.device):
        deleted = logits_of(torch.where(cell, fill, clean)).double()
        found.append((logits - deleted).gather(1, targets[:, None])[:, 0])
    return torch.stack(found, dim=1)


def cell_correlation(saliency: Tensor, drops: Tensor) -> Tensor:
    """Rank correlation of what a map says of the cells with the drops of the logit.

    Args:
        saliency: (B, H, W) in [0, 1].
        drops: (B, cells^2) of the logit, row by row.

    Returns:
        (B,) float64 in [-1, 1]; 0 where all cells have the same sum.
    """
    return rank_correlation(cell_sums(saliency, round(drops.shape[1] ** 0.5)), drops)


def cell_sums(saliency: Tensor, cells: int) -> Tensor:
    """What a map says of the cells of a grid, as far as two cells can be told apart.

    Args:
        saliency: (B, H, W) in [0, 1].
        cells: a side.

    Returns:
        (B, cells^2) float64, row by row: the sums over the largest of them, rounded; all 0 for a map of zeros.
    """
    sums = functional.avg_pool2d(saliency[:, None].double(), (saliency.shape[1] // cells, saliency.shape[2] // cells))
    sums = sums.flatten(1)
    largest = sums.amax(1, keepdim=True)
    return torch.where(largest > 0, sums / largest, 0.0).round(decimals=SAME)
