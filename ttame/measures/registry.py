"""The only list of these measures. A measure is added by one entry here and one file of its name beside it."""

from __future__ import annotations

from dataclasses import dataclass

from ttame.measures.column import Column
from ttame.measures.options import GridPointingOptions, JudgedFidelityOptions, KnownPartsOptions, SingleDeletionOptions
from ttame.params.section import Section


@dataclass(frozen=True)
class Entry:
    """What the tools have to know of a measure before they import it.

    Attributes:
        title: name in sentences.
        location: `module:class`.
        citation: the paper.
        legend: a sentence for the tables: what is measured, range, which end is better.
        columns: what it gives of every method.
        unit: what a row of its scores is: an image, or a grid of four.
        options: with their defaults.
        reads_training: whether its basis is made of the training list too.
    """

    title: str
    location: str
    citation: str
    legend: str
    columns: tuple[Column, ...]
    unit: str
    options: type[Section]
    reads_training: bool = False


MEASURES: dict[str, Entry] = {
    "single_deletion": Entry(
        "Single deletion",
        "ttame.measures.single_deletion:SingleDeletion",
        "Hesse et al., NeurIPS 2024",
        "Single deletion (-1 to 1, higher is better): rank correlation of what a map says of the cells of a grid with "
        "how much the logit falls when each cell is deleted.",
        (Column("single_deletion", "Single deletion", "higher", 2, 1.0, -1.0),),
        "image",
        SingleDeletionOptions,
    ),
    "grid_pointing": Entry(
        "Grid pointing game",
        "ttame.measures.grid_pointing:GridPointing",
        "Rao et al., CVPR 2022, 10.1109/CVPR52688.2022.00988",
        "Grid pointing (percent, higher is better, 25 is chance): four images of four classes in one, and the share of "
        "a class's map that lies on its own image.",
        (Column("grid_pointing", "Grid pointing", "higher"),),
        "grid",
        GridPointingOptions,
    ),
    "judged_fidelity": Entry(
        "Judged fidelity",
        "ttame.measures.judged_fidelity:JudgedFidelity",
        "Zheng et al., ICLR 2025",
        "Fid+ (percent, higher is better): how often a judge, a copy of the classifier that was fine-tuned on images "
        "with missing parts, loses the class when random halves of the most salient parts are removed; Fid- (lower is "
        "better): of the other parts.",
        (Column("fid_plus", "Fid+", "higher", lowest=-100.0), Column("fid_minus", "Fid-", "lower", lowest=-100.0)),
        "image",
        JudgedFidelityOptions,
        reads_training=True,
    ),
    "known_parts": Entry(
        "Known parts",
        "ttame.measures.known_parts:KnownParts",
        "after Hesse et al., FunnyBirds, ICCV 2023, 10.1109/ICCV51070.2023.00370",
        "Part found (percent, higher is better): whether the object without which the logit falls most has the largest "
        "mean of the map; idle mass (percent, lower is better): the share of the map on objects that decide nothing.",
        (Column("part_found", "Part found", "higher"), Column("idle_mass", "Idle mass", "lower")),
        "image",
        KnownPartsOptions,
    ),
}


def measure_columns() -> list[Column]:
    """Of all measures, in the order of the tables."""
    return [column for entry in MEASURES.values() for column in entry.columns]
