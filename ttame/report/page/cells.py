"""The tables of the page, cell by cell: what stands in a cell, what it is sorted by and how it is coloured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from ttame.explainers.registry import find, title
from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import cell_text, number
from ttame.report.page.randomised import WHOLE, looks_at_the_classifier
from ttame.report.ranking import is_control, worth_of
from ttame.report.student import student_intervals

Row = dict[str, Any]


def identity(method: str, reference: str) -> Row:
    """What every row of a method says of it."""
    return {"method": method, "title": title(method), "kind": find(method).kind, "reference": method == reference}


def comparison_row(
    evaluation: Evaluation, method: str, columns: Sequence[Column], colours: Mapping[str, pd.Series[Any]]
) -> Row:
    """A method with its cells: value to sort by, text, interval, mark, and how good it is from 0 to 1.

    Args:
        evaluation: of its backbone.
        method: the row.
        columns: the cells.
        colours: of `goodness`, by column key.
    """
    intervals = evaluation.intervals[method]
    cells = []
    for column in columns:
        value = float(evaluation.means[column.key][method])
        ends = tuple(map(float, intervals.loc[column.key])) if column.key in intervals.index else None
        good = colours.get(column.key)
        cells.append(
            {
                "value": "" if pd.isna(value) else f"{value:.6g}",
                "text": signed(cell_text(evaluation.means, method, column)),
                "interval": "" if ends is None else interval(ends, column),
                "mark": evaluation.marks.get((method, column.key), ""),
                "share": None if good is None or pd.isna(good.get(method)) else round(float(good[method]), 2),
            }
        )
    return identity(method, evaluation.report.reference) | {"cells": cells}


def goodness(evaluation: Evaluation, columns: Sequence[Column]) -> dict[str, pd.Series[Any]]:
    """By column, every method from 0, the worst of them, to 1, the best, controls aside."""
    found = {}
    for column in columns:
        if column.better is None:
            continue
        worth = worth_of(evaluation.means, column)
        methods = worth.loc[[name for name in worth.index if not is_control(name)]]
        span = methods.max() - methods.min()
        if span > 0:
            found[column.key] = (methods - methods.min()) / span
    return found


def seeds_row(evaluation: Evaluation, method: str, columns: Sequence[Column]) -> Row:
    """A method with its number of seeds, and in every column the mean of its lowest and its highest seed."""
    means = evaluation.several_seeds[method]
    present = [means.get(column.key) for column in columns]
    cells = [
        {"text": "" if of is None else interval((of.min(), of.max()), column), "value": _width(of)}
        for of, column in zip(present, columns, strict=True)
    ]
    return identity(method, evaluation.report.reference) | {"seeds": len(means), "cells": cells}


def sanity_rows(
    tables: Mapping[str, pd.DataFrame],
    columns: Sequence[Column],
    high: Collection[str],
    reference: str,
    resamples: int,
    seed: int,
) -> list[Row]:
    """Methods, controls at the end, with their mean rank correlation at every depth and its 95 % interval over images
    and, where there are several, seeds.

    Args:
        tables: of every method, a row per image, or per seed and image.
        columns: the depths.
        high: the methods of `stays_high`.
        reference: the method to bring out.
        resamples, seed: of the intervals.
    """
    rows = []
    for method in sorted(tables, key=is_control):
        found = student_intervals(tables[method][[column.key for column in columns]], resamples, seed)
        found[["low", "high"]] = found[["low", "high"]].clip(-1, 1)
        coloured = looks_at_the_classifier(method)
        cells = []
        for column, (mean, low, end) in zip(columns, found.to_numpy(float), strict=True):
            cells.append(
                {
                    "value": "" if pd.isna(mean) else f"{mean:.6g}",
                    "text": signed(number(mean, column)),
                    "interval": interval((low, end), column),
                    "share": round(abs(mean), 2) if coloured and not pd.isna(mean) else None,
                    "high": column.key == WHOLE and method in high,
                }
            )
        rows.append(identity(method, reference) | {"cells": cells})
    return rows


def interval(ends: Sequence[float], column: Column) -> str:
    """The ends of an interval as a column shows them; n/a where there is none."""
    if pd.isna(ends[0]):
        return "n/a"
    between = "–" if min(ends) >= 0 else " to "
    return between.join(signed(number(end, column)) for end in ends)


def signed(text: str) -> str:
    """A number as text with a real minus sign, and none on a zero."""
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")


def _width(means: pd.Series[Any] | None) -> str:
    return "" if means is None else f"{means.max() - means.min():.6g}"
