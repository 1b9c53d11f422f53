"""The images that methods are compared on, as maps and scores both read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.contents import open_checked
from ttame.data.datalists import read_names
from ttame.data.dataset import ImageDataset, in_order, load_batches
from ttame.data.sample import Sample
from ttame.data.sources import ImageSource
from ttame.data.transforms import fit_mask, to_unit_range
from ttame.params.settings import Settings
from ttame.stages.pieces import Part, Pieces, finish_pieces
from ttame.store.paths import contents_file, list_file
from ttame.store.scratch import Scratch


@dataclass(frozen=True)
class EvaluationBatch:
    """(B, 3, H, W) images in [0, 1] on the device, and what is known of each."""

    number: int
    images: Tensor
    samples: list[Sample]


class EvaluationImages:
    """Batches of the evaluation list, or of `at_most` so many images spread evenly over it."""

    def __init__(
        self, settings: Settings, backbone: Backbone, device: torch.device, at_most: int | None = None
    ) -> None:
        self.list_file: Path = list_file(settings, "evaluation")
        names = read_names(self.list_file)
        count = len(names) if at_most is None else min(at_most, len(names))
        self.names: list[str] = [names[number * len(names) // count] for number in range(count)]
        self.source: ImageSource = open_checked(settings.data, "evaluation", contents_file(settings, "evaluation"))
        self._backbone = backbone
        self._device = device
        self._workers = settings.execution.workers
        self._batches = in_order(len(self.names), settings.execution.batch_size)

    def batches(self, wanted: Sequence[int]) -> Iterator[EvaluationBatch]:
        """The batches of these numbers; the others are not even decoded."""
        loaded = self.load([self._batches[number] for number in wanted])
        for number, images in zip(wanted, loaded, strict=True):
            samples = [self.sample(self.names[index]) for index in self._batches[number]]
            yield EvaluationBatch(number, images, samples)

    def all(self) -> Iterator[EvaluationBatch]:
        """Every batch."""
        return self.batches(range(len(self._batches)))

    def load(self, groups: Sequence[list[int]]) -> Iterator[Tensor]:
        """(B, 3, H, W) in [0, 1] on the device for every group of places in the list."""
        dataset = ImageDataset(self.source, self.names, self._backbone.preprocessing)
        for pixels in load_batches(dataset, groups, self._workers, self._device):
            yield to_unit_range(pixels.to(self._device)).contiguous(memory_format=torch.channels_last)

    def sizes(self) -> list[int]:
        """Number of images in each batch."""
        return [len(batch) for batch in self._batches]

    def finish(
        self,
        scratch: Scratch,
        title: str,
        work: Callable[[EvaluationBatch], Mapping[str, Tensor]],
        part: Part | None = None,
    ) -> Pieces:
        """Do `work` for every batch, or those of a part, that `scratch` does not hold yet; their results in order."""

        def missing(numbers: list[int], advance: Callable[[int], object]) -> Iterator[Mapping[str, Tensor]]:
            for batch in self.batches(numbers):
                yield work(batch)
                advance(len(batch.samples))

        mine = None if part is None else part.of(len(self._batches))
        return finish_pieces(scratch, self.sizes(), missing, title, mine=mine)

    def sample(self, name: str) -> Sample:
        """What is known of an image, at input size."""
        mask = self.source.object_mask(name)
        return Sample(name, None if mask is None else fit_mask(mask, self._backbone.preprocessing))
