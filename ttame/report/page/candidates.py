"""Which images the page shows, of all those that it looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ttame.measures.column import Column
from ttame.report.aggregate import qualities
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.page.likeness import agreement_by_image
from ttame.report.page.standing import Standing
from ttame.report.ranking import is_control
from ttame.report.statistics import Floats
from ttame.store.seeds import first_seed

IN_THE_PICTURE = 3
"""Images in the picture on top of the page."""


def spread(values: Floats, count: int) -> list[int]:
    """Up to `count` places spread evenly over the ranks of the values, lowest and highest among them."""
    order = np.argsort(values, kind="stable")
    ranks = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(order[rank]) for rank in sorted(set(ranks.tolist()))]


def places_to_show(agreeing: Floats, worth: Mapping[str, Floats], reference: str, count: int) -> list[int]:
    """Up to `count` places: half spread over the agreement of the methods, a quarter the hardest, the rest those on
    which the reference loses most; all sorted by agreement.

    Args:
        agreeing: (N,) how far the methods agree on the candidates.
        worth: (N,) of every method, the score of the candidates in one measure, higher is better; empty without one.
        reference: the method whose losses count; it need not be among them.
        count: of images.
    """
    if count >= len(agreeing):
        return spread(agreeing, count)
    methods = [name for name in worth if not is_control(name)]
    taken = spread(agreeing, count if not methods else count - count // 2)
    if methods:
        table = np.stack([worth[name] for name in methods])
        _add(taken, table.mean(axis=0), len(taken) + count // 4)
        others = [place for place, name in enumerate(methods) if name != reference]
        if reference in methods and others:
            _add(taken, worth[reference] - table[others].max(axis=0), count)
        _add(taken, table.mean(axis=0), count)
    return sorted(taken, key=lambda place: (agreeing[place], place))


def _add(taken: list[int], values: Floats, count: int) -> None:
    """Fill up to `count` with the places of the lowest values."""
    free = (int(place) for place in np.argsort(values, kind="stable") if int(place) not in taken)
    taken += [place for place, _ in zip(free, range(count - len(taken)), strict=False)]


@dataclass(frozen=True)
class Candidates:
    """The N images that the gallery's are chosen from.

    Attributes:
        places: theirs in the evaluation list.
        maps: of every method, (N, 28, 28) of `small_maps`, of a trained one those of its first seed.
        agreement: (N,) how far the methods agree.
        columns: the measures that images have.
        scores: of every method, N rows with what an image adds to each measure.
        sharpest: of the measures that may rank and that images have, the one that separates most methods.
    """

    places: Sequence[int]
    maps: Mapping[str, Tensor]
    agreement: Floats
    columns: Sequence[Column]
    scores: Mapping[str, pd.DataFrame]
    sharpest: Column | None

    @classmethod
    def of(
        cls, evaluation: Evaluation, standing: Standing, places: Sequence[int], maps: Mapping[str, Tensor]
    ) -> Candidates:
        """Of their places and maps."""
        scores = {
            method: qualities(first_seed(table).iloc[list(places)], evaluation.metrics).reset_index(drop=True)
            for method, table in evaluation.scores.items()
        }
        columns = [
            column
            for column in quality_columns(evaluation.metrics)
            if any(column.key in of and of[column.key].notna().any() for of in scores.values())
        ]
        ranked = [column for column in columns if column.key in standing.separates]
        sharpest = max(ranked, key=lambda column: standing.separates[column.key], default=None)
        return cls(places, maps, agreement_by_image(maps), columns, scores, sharpest)

    def to_show(self, reference: str, count: int) -> list[int]:
        """The numbers of `count` of them, see `places_to_show`."""
        return places_to_show(self.agreement, self._worth(), reference, count)

    def _worth(self) -> dict[str, Floats]:
        """By the sharpest measure, higher is better, of every method that has it."""
        column = self.sharpest
        if column is None:
            return {}
        sign = 1.0 if column.better == "higher" else -1.0
        return {
            name: sign * table[column.key].to_numpy(float)
            for name, table in self.scores.items()
            if column.key in table and table[column.key].notna().all()
        }


def pictured_images(images: Sequence[Mapping[str, Any]]) -> list[int]:
    """Three of the shown images, one of each third from those on which the methods agree least, of different classes
    where there are some.

    Args:
        images: of `gallery_of`, by agreement; those whose photo is gone are passed over.
    """
    present = [place for place, image in enumerate(images) if image["photo"] is not None]
    taken: list[int] = []
    for third in np.array_split(np.array(present, dtype=int), min(IN_THE_PICTURE, len(present)) or 1):
        from_middle = np.abs(np.arange(len(third)) - (len(third) - 1) / 2)
        seen = {images[place]["class"] for place in taken}
        places = [int(third[place]) for place in np.argsort(from_middle, kind="stable")]
        new = [place for place in places if images[place]["class"] not in seen]
        taken += (new or places)[:1]
    return taken
