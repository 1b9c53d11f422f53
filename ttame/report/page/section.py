"""What the page shows of one backbone, a class for each of its parts, as the templates lay them out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.page.cells import Row
from ttame.report.page.headline import Part
from ttame.report.page.heat import Heat
from ttame.report.page.standing import Standing


@dataclass(frozen=True)
class Likeness:
    """How alike the maps of every two methods are.

    Attributes:
        table: mean correlations, of `likeness`.
        images: how many they are the mean of.
    """

    table: pd.DataFrame
    images: int


@dataclass(frozen=True)
class Results:
    """All that a section is made of.

    Attributes:
        name: of the backbone.
        evaluation: of its methods.
        checks: what the measures can tell.
        standing: of the methods.
        sanity: of every method that was checked, a row per image, or per seed and image.
        histories: of every trained method, a row per seed and epoch.
        likeness: of the maps.
    """

    name: str
    evaluation: Evaluation
    checks: pd.DataFrame
    standing: Standing
    sanity: Mapping[str, pd.DataFrame]
    histories: Mapping[str, pd.DataFrame]
    likeness: Likeness


@dataclass(frozen=True)
class Heading:
    """A column of the comparison.

    Attributes:
        text: its heading.
        better: which end is.
        unfit: whether methods may not be ranked by it.
        objection: why.
    """

    text: str
    better: str | None
    unfit: bool
    objection: str


@dataclass(frozen=True)
class Comparison:
    """The large table: its columns, and a row per method with the cells of `comparison_row` and `leads`, None for
    controls and where nobody leads.
    """

    columns: Sequence[Heading]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Measures:
    """What the measures can tell.

    Attributes:
        recommendation: a sentence.
        rows: of every measure its heading and cells.
        agreement: of the rankings.
        columns: the measures themselves.
        seeds: a row per method that was trained with several.
    """

    recommendation: str
    rows: Sequence[Mapping[str, Any]]
    agreement: Heat
    columns: Sequence[Column]
    seeds: Sequence[Row]


@dataclass(frozen=True)
class Sanity:
    """What becomes of the maps when the classifier is randomised.

    Attributes:
        depths: the columns.
        rows: of the methods.
        whole: whether one of the depths is the whole classifier.
        high: title and correlation of the methods whose maps stay alike then.
        auxiliary: titles of the methods that read another classifier.
    """

    depths: Sequence[Column]
    rows: Sequence[Row]
    whole: bool
    high: Sequence[tuple[str, str]]
    auxiliary: Sequence[str]


@dataclass(frozen=True)
class Section:
    """One backbone: the sentences on top, its tables and its drawings.

    Attributes:
        name, standing: of the backbone.
        headline: parts of the sentence, and whether each stands out.
        verdict: how the reference stands.
        comparison, measures, sanity: tables.
        dots: a plot per measure.
        duels: who beats whom; None where nothing can be told.
        likeness: of the maps.
        likeness_images: how many the likeness is the mean of.
        passes: quality for its cost; None where no measure may rank.
        curves, training: drawings by caption.
        trained: the methods that have a history.
    """

    name: str
    standing: Standing
    headline: Sequence[Part]
    verdict: str
    comparison: Comparison
    measures: Measures
    sanity: Sanity
    dots: Sequence[Mapping[str, Any]]
    duels: Heat | None
    likeness: Heat
    likeness_images: int
    passes: str | None
    curves: Mapping[str, str]
    training: Mapping[str, str]
    trained: Collection[str]
