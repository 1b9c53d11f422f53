"""The interface of every measure."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ttame.data.sample import Sample
from ttame.errors import NotDefined
from ttame.measures.registry import MEASURES
from ttame.metrics.masking import normalise_map
from ttame.params.settings import Settings
from ttame.stages.subject import Subject
from ttame.store.basis_file import Basis
from ttame.store.maps_file import StoredMaps
from ttame.store.scratch import Scratch


class Explained(Protocol):
    """A method on a classifier, as `ttame.stages.method` gives it."""

    name: str

    def maps(self) -> StoredMaps:
        """Those of the evaluation list."""

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) raw maps of (B, 3, H, W) normalised images for the (B,) targets."""


class Measure(ABC):
    """First its basis, once per classifier, then a row per unit (an image, a grid) for every method."""

    def __init__(self, options: Any) -> None:
        """Take the options that the measure's entry in the registry names."""
        self.options = options

    @abstractmethod
    def passes(self, images: int) -> float:
        """Forward passes an image that `prepare` makes, at most, for an evaluation list of so many."""

    def judge_passes(self) -> int:
        """Forward passes an image that `judge` makes."""
        return 0

    def trained_batch(self) -> int:
        """Images a step of what `prepare` trains; 0 where it trains nothing."""
        return 0

    def new_maps(self, images: int) -> int:
        """How many maps, at most, a method has to make for it beside those of an evaluation list of so many images."""
        return 0

    @abstractmethod
    def prepare(self, subject: Subject, scratch: Scratch) -> Basis:
        """What the classifier does, whatever the methods say of it.

        Args:
            subject: the classifier and its images.
            scratch: where finished batches are kept.

        Raises:
            NotDefined: when the measure has nothing to say of this classifier or these images.
        """

    def maps(self, subject: Subject, method: Explained, basis: Basis, scratch: Scratch) -> Tensor:
        """The raw maps of a method that are judged, those of the evaluation list unless a measure needs others.

        Returns:
            (U, ..., h, w), for the units of the basis.

        Raises:
            NotDefined: when the method is not defined on this classifier.
        """
        found = method.maps()
        places = {name: place for place, name in enumerate(found.names)}
        return found.at([places[unit] for unit in basis.units]).maps

    def normalise(self, maps: Tensor) -> Tensor:
        """Raw maps to what is judged, in [0, 1]; min-max unless the measure says otherwise. Twice changes nothing."""
        return normalise_map(maps)

    @abstractmethod
    def judge(self, subject: Subject, maps: Tensor, basis: Basis, scratch: Scratch) -> Mapping[str, Tensor]:
        """A (U,) tensor for every column of the measure, and `SILENT` of a measure to which a map may say nothing.

        Args:
            subject: the classifier, for measures that ask it again.
            maps: normalised, as `normalise` gives them.
            basis: of this classifier.
            scratch: where finished batches are kept.
        """


def make_measure(name: str, settings: Settings) -> Measure:
    """The measure called `name` in the registry, with the options of the params."""
    module, _, cls = MEASURES[name].location.partition(":")
    made: Measure = getattr(importlib.import_module(module), cls)(getattr(settings.measures, name))
    return made


def refuse_other_sizes(measure: str, backbone: str, input_size: tuple[int, int], cells: int) -> None:
    """Check that the input of a classifier can be cut into `cells` x `cells` equal cells.

    Raises:
        NotDefined: when it cannot.
    """
    rows, columns = input_size
    if rows % cells or columns % cells:
        raise NotDefined(
            f"{measure} is not defined on {backbone}, whose input of {rows} x {columns} pixels cannot be cut into "
            f"{cells} x {cells} equal cells"
        )


def cell_masks(size: tuple[int, ...] | torch.Size, cells: int) -> Tensor:
    """(cells^2, H, W) bool, a mask for every cell, row by row.

    Args:
        size: (H, W), both divisible by `cells`.
        cells: a side.
    """
    numbers = torch.arange(cells * cells).view(1, 1, cells, cells).float()
    place = functional.interpolate(numbers, (size[0], size[1]), mode="nearest")[0, 0]
    return place == torch.arange(cells * cells)[:, None, None]
