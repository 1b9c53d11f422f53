"""Tables as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from tabulate import tabulate

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.report.marks import Mark
from ttame.report.statistics import LEVEL

MISSING = "–"
WRITTEN: dict[Mark | None, str] = {
    None: "{}",
    "best": "**{}**",
    "second": "<u>{}</u>",
    "tied": "{} ≈",
    "tied second": "<u>{}</u> ≈",
}


def methods_table(
    comparison: pd.DataFrame, columns: Sequence[Column], marks: Mapping[tuple[str, str], Mark] | None = None
) -> str:
    """Rows methods; a column that no method has is left out.

    Args:
        comparison: a row per method.
        columns: what to show.
        marks: best in bold, second best underlined, `≈` for what cannot be told from the best.
    """
    found = marks or {}
    present = shown(comparison, columns)

    def cell(method: str, column: Column) -> str:
        return WRITTEN[found.get((method, column.key))].format(cell_text(comparison, method, column))

    rows = [[title(method), *(cell(method, column) for column in present)] for method in map(str, comparison.index)]
    return markdown_table(["Method", *(column.heading for column in present)], rows)


def intervals_table(comparison: pd.DataFrame, intervals: Mapping[str, pd.DataFrame], columns: Sequence[Column]) -> str:
    """Rows methods, cells `mean (low–high)`; n/a where there is no interval."""
    present = shown(comparison, columns)

    def cell(method: str, column: Column) -> str:
        low, high = map(float, intervals[method].loc[column.key])
        ends = "n/a" if pd.isna(low) else f"{number(low, column)}–{number(high, column)}"
        return f"{number(float(comparison[column.key][method]), column)} ({ends})"

    rows = [[title(method), *(cell(method, column) for column in present)] for method in intervals]
    return markdown_table(["Method", *(column.heading for column in present)], rows)


def differences_table(against: Mapping[str, pd.DataFrame], columns: Sequence[Column]) -> str:
    """Rows methods, cells the difference to the reference with a star where it is significant."""
    present = [column for column in columns if any(column.key in table.index for table in against.values())]

    def cell(table: pd.DataFrame, column: Column) -> str:
        difference, p_value = table.loc[column.key].to_numpy()
        if pd.isna(difference):
            return MISSING
        return f"{difference:+.{column.decimals}f}" + ("\\*" if p_value <= LEVEL else "")

    rows = [[title(method), *(cell(table, column) for column in present)] for method, table in against.items()]
    return markdown_table(["Method", *(column.heading for column in present)], rows)


def seeds_table(several: Mapping[str, pd.DataFrame], columns: Sequence[Column]) -> str:
    """A row per method and seed; `several` has of every method a row per seed."""
    present = [column for column in columns if any(column.key in table for table in several.values())]
    rows = [
        [title(method), str(seed), *(number(row.get(column.key, np.nan), column) for column in present)]
        for method, table in several.items()
        for seed, row in table.iterrows()
    ]
    return markdown_table(["Method", "Seed", *(column.heading for column in present)], rows)


def shown(comparison: pd.DataFrame, columns: Sequence[Column]) -> list[Column]:
    """The columns in which some method has a number."""
    return [column for column in columns if column.key in comparison and comparison[column.key].notna().any()]


def cell_text(comparison: pd.DataFrame, method: str, column: Column) -> str:
    """A number of a method as a column shows it; it says CAM of classes that training never met and that keep CAM."""
    value = float(comparison[column.key][method])
    keeps_cam = column.key == "untrained" and value > 0 and "untrained_is_cam" in comparison
    return number(value, column) + (" CAM" if keeps_cam and comparison["untrained_is_cam"][method] == 1 else "")


def number(value: float, column: Column) -> str:
    """A value as a column shows it."""
    return MISSING if pd.isna(value) else f"{value:z.{column.decimals}f}"


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int = 1) -> str:
    """A table padded to be read as plain text too: words to the left and, from a column on, numbers to the right."""
    alignment = ["right" if column >= numbers_from else "left" for column in range(len(headings))]
    return tabulate(rows, headings, tablefmt="pipe", colalign=alignment, disable_numparse=True) + "\n"
