"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ttame.explainers.registry import title
from ttame.settings import MetricSettings

MISSING = "–"
Column = tuple[str, str, int]
"""Key in the comparison, heading, decimals."""


def comparison_columns(settings: MetricSettings) -> list[Column]:
    """AD and IC at each share, mean ROAD, localisation, passes; arrows point to the better end."""
    columns: list[Column] = []
    for share in settings.shares:
        columns += [(f"ad_{share}", f"AD({share}) ↓", 1), (f"ic_{share}", f"IC({share}) ↑", 1)]
    return [
        *columns,
        ("road_morf", "ROAD MoRF ↓", 1),
        ("road_lerf", "ROAD LeRF ↑", 1),
        ("pointing_game", "Pointing game ↑", 1),
        ("mass_inside", "Mass inside ↑", 1),
        ("forward_passes", "Forward", 0),
        ("backward_passes", "Backward", 0),
        ("untrained", "Untrained %", 1),
    ]


def road_columns(settings: MetricSettings) -> list[Column]:
    """ROAD at every share, both orders."""
    orders = (("morf", "MoRF", "↓"), ("lerf", "LeRF", "↑"))
    return [
        (f"road_{order}_{share}", f"{name} {share} {arrow}", 1)
        for order, name, arrow in orders
        for share in settings.road.shares
    ]


def methods_table(comparison: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Rows methods; a column that no method has is left out."""
    present = [column for column in columns if column[0] in comparison and comparison[column[0]].notna().any()]
    rows = [
        [title(str(method)), *(_number(row[key], decimals) for key, _, decimals in present)]
        for method, row in comparison.iterrows()
    ]
    return markdown_table(["Method", *(heading for _, heading, _ in present)], rows)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A table padded to be read as plain text too: words to the left and, from a column on, numbers to the right."""
    widths = [max(len(row[index]) for row in [headings, *rows]) for index in range(len(headings))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column >= numbers_from else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    marks = [
        "-" * (width + 1) + ":" if column >= numbers_from else "-" * (width + 2) for column, width in enumerate(widths)
    ]
    rule = "|" + "|".join(marks) + "|"
    return "\n".join([line(headings), rule, *(line(row) for row in rows)]) + "\n"


def _number(value: float, decimals: int) -> str:
    return MISSING if pd.isna(value) else f"{value:.{decimals}f}"
