"""The grid pointing game (Rao, Böhle, Schiele, Towards better understanding attribution methods, CVPR 2022)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ttame.data.sample import Sample
from ttame.errors import NotDefined
from ttame.measures.column import SILENT
from ttame.measures.measure import Explained, Measure, cell_masks, refuse_other_sizes
from ttame.measures.options import GridPointingOptions
from ttame.metrics.masking import resize_map
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.pieces import finish_pieces
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.scratch import Scratch

CELLS = 4
NO_MASS = 1e-7


class GridPointing(Measure):
    """Four images of four classes, joined 2 x 2 at the input size; a method explains the joined image for the class of
    each cell. The share of the map's positive mass that lies in that cell, mean over the four.

    In [0, 1], higher is better; 0.25 is chance. It tests whether a map belongs to its class at all, which AD, IC and
    ROAD never ask. It cannot tell where within its image a map should look: any map that fills its cell and no other
    wins. The images are those that the classifier still knows at half their size. Basis: `places` (G, 4) in the
    evaluation list, row by row, and `targets` (G, 4), their classes.
    """

    options: GridPointingOptions

    def passes(self, images: int) -> float:
        """The image, the image at half its size, and five times the joined image of four."""
        return 2 + 5 / CELLS

    def new_maps(self, images: int) -> int:
        """One for each cell of each grid."""
        return CELLS * min(self.options.grids, images // CELLS)

    def prepare(self, subject: Subject, scratch: Scratch) -> Basis:
        """Look for images that are known at half their size, and draw the grids.

        Raises:
            NotDefined: when fewer than four classes are left, or the input cannot be halved.
        """
        refuse_other_sizes("grid_pointing", subject.name, subject.input_size, 2)

        def examine(batch: EvaluationBatch) -> dict[str, Tensor]:
            halved = _enlarge(_halve(batch.images))
            targets = subject.logits(subject.backbone.normalise(batch.images)).argmax(1)
            halves = subject.logits(subject.backbone.normalise(halved)).double().softmax(1)
            known = halves.argmax(1) == targets
            # Rounded, so that the last bits of a device draw no other grids.
            confidences = torch.where(known, halves.gather(1, targets[:, None])[:, 0], 0.0).round(decimals=4)
            return {"targets": targets.cpu(), "confidences": confidences.cpu()}

        pieces = list(subject.images.finish(scratch, f"basis {subject.name} grid_pointing", examine))
        targets, confidences = (torch.cat([piece[name] for piece in pieces]) for name in ("targets", "confidences"))
        sure = (confidences >= max(self.options.confidence, NO_MASS)).nonzero()[:, 0].numpy()
        of_sure = targets[sure].numpy(), confidences[sure].numpy()
        grids = draw_grids(sure, *of_sure, self.options.grids, self.options.seed)
        if not len(grids):
            raise NotDefined(
                f"grid_pointing is not defined on {subject.name}: of {len(targets)} images it is sure of {len(sure)} "
                f"at half their size, of {len(set(targets[sure].tolist()))} classes, and a grid takes four"
            )
        places = torch.from_numpy(grids)
        units = [f"grid-{number:05d}" for number in range(len(places))]
        own = 100 * self._own_cells(subject, places, targets[places]).double().mean().item()
        note = f"without its own cell the logit of a class falls most in {own:.0f} % of the cells"
        tensors = {"places": places, "targets": targets[places]}
        return Basis(units, subject.input_size, tensors, note=note)

    def _own_cells(self, subject: Subject, places: Tensor, targets: Tensor) -> Tensor:
        """(G, 4), whether the logit of a cell's class falls most when that cell of the joined image is set to 0: how
        far the classifier itself sees its classes where they are.
        """
        found = []
        for images, classes in zip(subject.images.load(places.tolist()), targets, strict=True):
            clean = subject.backbone.normalise(join(images[None]))
            cells = cell_masks(clean.shape[2:], 2)[:, None].to(clean.device)
            logits = subject.logits(torch.cat([clean, torch.where(cells, 0.0, clean)]))[:, classes]
            found.append(((logits[0] - logits[1:]).argmax(0) == torch.arange(CELLS, device=logits.device)).cpu())
        return torch.stack(found)

    def maps(self, subject: Subject, method: Explained, basis: Basis, scratch: Scratch) -> Tensor:
        """(G, 4, h, w) raw maps of the joined images, for the class of each cell."""
        places, targets = basis.tensors["places"], basis.tensors["targets"]
        groups = torch.arange(len(places)).split(max(1, subject.settings.execution.batch_size // CELLS))

        def work(missing: list[int], advance: Callable[[int], object]) -> Iterator[dict[str, Tensor]]:
            loaded = subject.images.load([places[groups[number]].flatten().tolist() for number in missing])
            for number, images in zip(missing, loaded, strict=True):
                joined = subject.backbone.normalise(join(images.unflatten(0, (-1, CELLS))))
                repeated = joined.repeat_interleave(CELLS, 0).contiguous(memory_format=torch.channels_last)
                samples = [sample for grid in groups[number].tolist() for sample in self._samples(subject, basis, grid)]
                found = method.explain(repeated, targets[groups[number]].flatten().to(subject.device), samples)
                yield {"maps": found.float().cpu().unflatten(0, (-1, CELLS))}
                advance(len(groups[number]))

        sizes, title = [len(group) for group in groups], f"measure {subject.name} {method.name} grid_pointing"
        return torch.cat([piece["maps"] for piece in finish_pieces(scratch, sizes, work, title, what="grids")])

    def _samples(self, subject: Subject, basis: Basis, grid: int) -> list[Sample]:
        """The joined image as the controls see it: once for each cell, with the object of that cell alone."""
        samples = []
        for cell, place in enumerate(basis.tensors["places"][grid].tolist()):
            mask = subject.images.sample(subject.images.names[place]).object_mask
            name = f"{basis.units[grid]}-{cell}"
            samples.append(Sample(name, None if mask is None else _in_cell(mask[::2, ::2], cell)))
        return samples

    def normalise(self, maps: Tensor) -> Tensor:
        """Negative values cut off, and the largest to 1: what is below zero speaks against a class."""
        positive = torch.where(maps.isfinite(), maps, 0.0).clamp(min=0)
        return positive / positive.flatten(-2).amax(-1).clamp(min=NO_MASS)[..., None, None]

    def judge(self, subject: Subject, maps: Tensor, basis: Basis, scratch: Scratch) -> Mapping[str, Tensor]:
        """`grid_pointing` in [0, 1]; no forward pass, these were made for the maps."""
        empty = maps.flatten(2).sum(2) <= NO_MASS
        return {"grid_pointing": share_inside(maps, basis.input_size).mean(1), SILENT: empty.double().mean(1)}


def draw_grids(
    places: NDArray[np.int64], classes: NDArray[np.int64], confidences: NDArray[np.float64], at_most: int, seed: int
) -> NDArray[np.int64]:
    """As many grids of four different classes as there are, no image in two, of the most confident images.

    Of every class at most as many images are taken as there are grids. Dealt out class by class, like cards, no grid
    then gets two of one class.

    Args:
        places: (N,) images to choose from.
        classes, confidences: (N,) of them.
        at_most: grids.
        seed: of the draw: which images meet in a grid, and in which cell.

    Returns:
        (G, 4) of `places`; G is 0 when there are fewer than four classes.
    """
    _, counts = np.unique(classes, return_counts=True)
    grids = at_most
    while grids and np.minimum(counts, grids).sum() < CELLS * grids:
        grids -= 1
    sure_first = np.lexsort((places, -confidences))
    rank_in_class = np.empty(len(places), np.int64)
    for label in np.unique(classes):
        of_class = sure_first[classes[sure_first] == label]
        rank_in_class[of_class] = np.arange(len(of_class))
    chosen = sure_first[rank_in_class[sure_first] < grids][: CELLS * grids]
    random = np.random.default_rng(seed)
    shuffled = np.sort(chosen)[random.permutation(len(chosen))]
    turn = random.permutation(int(classes.max(initial=0)) + 1)
    dealt = shuffled[np.argsort(turn[classes[shuffled]], kind="stable")].reshape(CELLS, grids).T
    return places[random.permuted(dealt, axis=1)]


def join(images: Tensor) -> Tensor:
    """(G, 4, 3, H, W) images in [0, 1] to (G, 3, H, W), each at half its size in its cell, row by row."""
    halves = _halve(images.flatten(0, 1)).unflatten(0, (-1, 2, 2))
    return halves.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)


def share_inside(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Share of the positive mass of a map that lies in the cell whose class it explains.

    Args:
        maps: (G, 4, h, w), of every grid the maps for the classes of its cells, row by row; negative values count as 0.
        size: (H, W) of the joined image, both even; maps are resized to it, bilinearly.

    Returns:
        (G, 4) float64 in [0, 1]; 0 where there is no positive mass (below 1e-7).
    """
    positive = maps.clamp(min=0).flatten(0, 1)
    mass = resize_map(positive, size).double().unflatten(0, (-1, CELLS))
    halves = mass.unflatten(3, (2, -1)).unflatten(2, (2, -1)).sum((3, 5)).flatten(2)
    inside = halves.diagonal(dim1=1, dim2=2)
    total = halves.sum(2)
    return torch.where(total > NO_MASS, inside / total.clamp(min=NO_MASS), 0.0)


def _halve(images: Tensor) -> Tensor:
    """Every 2 x 2 pixels become their mean."""
    return functional.avg_pool2d(images, 2)


def _enlarge(images: Tensor) -> Tensor:
    return functional.interpolate(images, scale_factor=2.0, mode="bicubic").clamp(0, 1)


def _in_cell(mask: NDArray[np.bool_], cell: int) -> NDArray[np.bool_]:
    rows, columns = mask.shape
    joined = np.zeros((2 * rows, 2 * columns), np.bool_)
    row, column = divmod(cell, 2)
    joined[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns] = mask
    return joined
