"""Judged fidelity (Zheng et al., F-Fidelity: a robust framework for faithfulness evaluation, ICLR 2025)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.data.contents import open_checked
from ttame.data.datalists import read_names
from ttame.data.dataset import ImageDataset, in_order, load_batches
from ttame.data.transforms import to_unit_range
from ttame.errors import NotDefined
from ttame.measures.measure import Measure
from ttame.measures.options import JudgedFidelityOptions
from ttame.metrics.masking import rank_pixels
from ttame.runtime.progress import progress
from ttame.runtime.seeding import image_seed
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.pieces import finish_pieces
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.paths import contents_file, list_file
from ttame.store.scratch import Scratch

MOMENTUM = 0.9
STATE_EVERY = 25
"""Steps between two states that a killed fine-tuning goes on from."""
CHECKS = 4
"""Removals of each image that judge and classifier are compared on."""


class JudgedFidelity(Measure):
    """Remove a random half of the most salient cells, pixels or the patches of a transformer, and ask a *judge*: a copy
    of the classifier that was fine-tuned to give the same classes with up to `removed` of the input set to 0.

    `fid_plus` in [-1, 1], higher is better: how often the judge loses the model truth when cells among the most salient
    share are removed, mean over draws and shares. `fid_minus`, lower is better: the same of the others. No more than
    `removed` of the image is ever taken away, so no removal leaves what the judge was trained on, and a larger map
    gains nothing. It cannot tell what the classifier itself would do: the judge is another network, so its accuracy
    under removal is said beside the classifier's. Basis: `targets` (N,), `known` (N,), whether the judge gives the
    whole image the model truth, and the judge's weights.
    """

    options: JudgedFidelityOptions

    def passes(self, images: int) -> float:
        """The comparison of both on the evaluation list, and the fine-tuning, whose backward passes count as two."""
        return 2 + 2 * CHECKS + 4 * self.options.steps * self.options.batch_size / images

    def trained_batch(self) -> int:
        """Those of a step of the judge's."""
        return self.options.batch_size

    def judge_passes(self) -> int:
        """Two removals for each draw and share."""
        return 2 * self.options.draws * len(self.options.shares)

    def prepare(self, subject: Subject, scratch: Scratch) -> Basis:
        """Fine-tune the judge, and compare it with the classifier under removal.

        Raises:
            NotDefined: when it keeps the class less often than the classifier that it came from.
        """
        judge = self._fine_tune(subject, scratch)
        found = [self._compare(subject, judge, batch) for batch in subject.images.all()]
        targets, known, kept = (torch.cat(parts) for parts in zip(*found, strict=True))
        of_classifier, of_judge = (100 * kept.double().mean(0)).tolist()
        said = (
            f"with up to {100 * self.options.removed:.0f} % of the input removed the judge keeps the class of "
            f"{of_judge:.1f} % of the images and the classifier itself of {of_classifier:.1f} %"
        )
        if of_judge < of_classifier:
            raise NotDefined(
                f"judged_fidelity is not defined on {subject.name}: {said}; give measures.judged_fidelity more steps "
                "or another learning_rate"
            )
        weights = {name: value.cpu() for name, value in judge.model.state_dict().items()}
        tensors = {"targets": targets, "known": known}
        return Basis(subject.images.names, subject.input_size, tensors, weights=weights, note=said)

    def judge(self, subject: Subject, maps: Tensor, basis: Basis, scratch: Scratch) -> Mapping[str, Tensor]:
        """`fid_plus` and `fid_minus`, mean over the shares, with `judge_passes` forward passes an image."""
        judge = deepcopy(subject.backbone)
        judge.model.load_state_dict(dict(basis.weights))
        places = [subject.images.names.index(unit) for unit in basis.units]
        groups = in_order(len(places), subject.settings.execution.batch_size)

        def work(missing: list[int], advance: Callable[[int], object]) -> Iterator[dict[str, Tensor]]:
            loaded = subject.images.load([[places[row] for row in groups[number]] for number in missing])
            for number, images in zip(missing, loaded, strict=True):
                found = []
                for row, clean in zip(groups[number], subject.backbone.normalise(images), strict=True):
                    found.append(self._fidelity(subject, judge, clean, maps[row], basis, row))
                    advance(1)
                yield {"fidelity": torch.stack(found)}

        sizes = [len(group) for group in groups]
        pieces = finish_pieces(scratch, sizes, work, f"judged_fidelity {subject.name}")
        fidelity = torch.cat([piece["fidelity"] for piece in pieces])
        return {"fid_plus": fidelity[:, 0], "fid_minus": fidelity[:, 1]}

    def _fidelity(
        self, subject: Subject, judge: Backbone, clean: Tensor, saliency: Tensor, basis: Basis, row: int
    ) -> Tensor:
        """(2,) fid+ and fid- of one image."""
        grid = cells_of(subject.backbone)
        on_cells = functional.interpolate(saliency[None, None], grid, mode="bilinear", antialias=True)[:, 0]
        order = rank_pixels(on_cells)[0]
        random = np.random.default_rng(image_seed(self.options.seed, basis.units[row]))
        target, known = basis.tensors["targets"][row], basis.tensors["known"][row].double()
        found = []
        for share in self.options.shares:
            for chosen in split_order(order, share):
                gone = removals(chosen, len(order), self.options.removed, self.options.draws, random).view(-1, *grid)
                classes = subject.logits_of(judge, _without(clean[None], gone)).argmax(1).cpu()
                found.append(known - (classes == target).double().mean())
        return torch.stack(found).view(-1, 2).mean(0)

    @torch.no_grad()
    def _compare(self, subject: Subject, judge: Backbone, batch: EvaluationBatch) -> tuple[Tensor, Tensor, Tensor]:
        """(B,) model truths, (B,) whether the judge knows them, (B * CHECKS, 2) what classifier and judge keep."""
        clean = subject.backbone.normalise(batch.images)
        targets = subject.backbone(clean).argmax(1)
        known = judge(clean).argmax(1) == targets
        kept = []
        for check in range(CHECKS):
            less = self._with_removal(subject, clean, [f"check-{check}-{sample.name}" for sample in batch.samples])
            kept.append(torch.stack([model(less).argmax(1) == targets for model in (subject.backbone, judge)], dim=1))
        return targets.cpu(), known.cpu(), torch.cat(kept).cpu()

    def _with_removal(self, subject: Subject, clean: Tensor, names: Sequence[str]) -> Tensor:
        """Images without a random share of their cells, of at most `removed`, drawn by a name for each."""
        grid = cells_of(subject.backbone)
        gone = []
        for name in names:
            random = np.random.default_rng(image_seed(self.options.seed, name))
            share = random.uniform(0, self.options.removed)
            ranks = random.permutation(grid[0] * grid[1])
            gone.append(torch.from_numpy(ranks < share * len(ranks)).view(grid))
        return _without(clean, torch.stack(gone))

    def _fine_tune(self, subject: Subject, scratch: Scratch) -> Backbone:
        """SGD with Nesterov momentum and a cosine down to 0; batch norms stay as they are."""
        judge = deepcopy(subject.backbone)
        judge.model.requires_grad_(True)
        weights = dict(judge.model.named_parameters())
        optimiser = torch.optim.SGD(weights.values(), self.options.learning_rate, MOMENTUM, nesterov=True)
        first = _restore(weights, optimiser, scratch.load(0))
        steps = self.options.steps
        with progress(steps, f"judge of {subject.name}", "steps") as bar:
            bar.update(first)
            for step, images in enumerate(self._batches(subject, first), start=first):
                clean = subject.backbone.normalise(images)
                with torch.no_grad():
                    targets = subject.backbone(clean).argmax(1)
                optimiser.param_groups[0]["lr"] = self.options.learning_rate * (1 + np.cos(np.pi * step / steps)) / 2
                optimiser.zero_grad()
                less = self._with_removal(subject, clean, [f"step-{step}-{place}" for place in range(len(clean))])
                functional.cross_entropy(judge(less), targets).backward()
                optimiser.step()
                bar.update(1)
                if (step + 1) % STATE_EVERY == 0:
                    scratch.save(0, _state(weights, optimiser, step + 1))
        judge.requires_grad_(False)
        return judge

    def _batches(self, subject: Subject, first: int) -> Iterator[Tensor]:
        """Images of the training list, drawn by (seed, step) alone, from a step on."""
        settings = subject.settings
        names = read_names(list_file(settings, "train"))
        source = open_checked(settings.data, "train", contents_file(settings, "train"))
        dataset = ImageDataset(source, names, subject.backbone.preprocessing)
        drawn = [
            np.random.default_rng([self.options.seed, step]).integers(len(names), size=self.options.batch_size).tolist()
            for step in range(first, self.options.steps)
        ]
        for pixels in load_batches(dataset, drawn, settings.execution.workers, subject.device):
            yield to_unit_range(pixels.to(subject.device)).contiguous(memory_format=torch.channels_last)


def cells_of(backbone: Backbone) -> tuple[int, int]:
    """(rows, columns) of what is removed at a time: pixels of a CNN, patches of a transformer."""
    return backbone.tokens.grid if backbone.tokens is not None else backbone.preprocessing.input_size


def split_order(order: Tensor, share: int) -> tuple[Tensor, Tensor]:
    """The first `share` percent of an order of cells, (C,), and the others."""
    most = round(len(order) * share / 100)
    return order[:most], order[most:]


def removals(chosen: Tensor, cells: int, removed: float, draws: int, random: np.random.Generator) -> Tensor:
    """Random halves of some cells, never more than may be removed.

    Args:
        chosen: (K,) numbers of the cells to draw from.
        cells: C, of the image.
        removed: largest share of the image that may go, in (0, 1]; where half of the chosen is more, so many go.
        draws: D.
        random: of the draws.

    Returns:
        (D, C) bool, exactly min(K / 2, `removed` C) true in every row, rounded down.
    """
    count = min(len(chosen) // 2, int(removed * cells))
    gone = torch.zeros(draws, cells, dtype=torch.bool, device=chosen.device)
    for draw in gone:
        draw[chosen[torch.from_numpy(random.permutation(len(chosen))[:count])]] = True
    return gone


def _without(images: Tensor, gone: Tensor) -> Tensor:
    """(B or 1, 3, H, W) with the cells of (B, rows, columns) set to 0."""
    rows, columns = images.shape[2] // gone.shape[1], images.shape[3] // gone.shape[2]
    pixels = gone.repeat_interleave(rows, 1).repeat_interleave(columns, 2).to(images.device)
    return torch.where(pixels[:, None], 0.0, images)


def _state(weights: Mapping[str, Tensor], optimiser: torch.optim.SGD, step: int) -> dict[str, Tensor]:
    # A weight that no image reaches, of a head for training say, has no momentum.
    moved = {
        name: optimiser.state[weight]["momentum_buffer"] for name, weight in weights.items() if optimiser.state[weight]
    }
    momenta = {f"momentum.{name}": momentum for name, momentum in moved.items()}
    values = {f"weight.{name}": weight.detach() for name, weight in weights.items()}
    return {name: value.cpu() for name, value in (values | momenta).items()} | {"step": torch.tensor(step)}


@torch.no_grad()
def _restore(weights: Mapping[str, Tensor], optimiser: torch.optim.SGD, state: Mapping[str, Tensor] | None) -> int:
    """The step to go on with."""
    if state is None:
        return 0
    for name, weight in weights.items():
        weight.copy_(state[f"weight.{name}"])
        if f"momentum.{name}" in state:
            optimiser.state[weight]["momentum_buffer"] = state[f"momentum.{name}"].to(weight.device)
    return int(state["step"])
