"""Interval plots: of one measure, every method's mean as a dot on its 95 % interval, the best on top."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from typing import Any

import pandas as pd

from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import number
from ttame.report.page.cells import identity, interval, signed
from ttame.report.ranking import worth_of


def dot_plot(evaluation: Evaluation, column: Column) -> dict[str, Any]:
    """A row per method that has the measure, best first; places are in percent of the axis.

    Args:
        evaluation: of the methods.
        column: the measure.

    Returns:
        key, heading; ticks with their places; reference, low and high place of its interval, None without; rows with
        mean, low and high place and the numbers as text.
    """
    worth = worth_of(evaluation.means, column).dropna().sort_values(ascending=False, kind="stable")
    methods = [str(method) for method in worth.index]
    ends = pd.DataFrame({method: evaluation.intervals[method].loc[column.key] for method in methods}).T.astype(float)
    means = evaluation.means[column.key].astype(float)[methods]
    ends = ends.fillna({"low": means, "high": means})  # of one image there is no interval
    ticks = _ticks(float(ends["low"].min()), float(ends["high"].max()), column)
    first, last = ticks[0], ticks[-1]

    def place(value: float) -> float:
        return round(100 * (value - first) / (last - first), 1)

    rows = [
        identity(method, evaluation.report.reference)
        | {
            "at": place(means[method]),
            "low": place(ends["low"][method]),
            "high": place(ends["high"][method]),
            "text": signed(number(means[method], column)),
            "interval": interval(tuple(map(float, evaluation.intervals[method].loc[column.key])), column),
        }
        for method in methods
    ]
    return {
        "key": column.key,
        "heading": column.heading,
        "ticks": [{"at": place(tick), "text": signed(f"{tick:g}")} for tick in ticks],
        "reference": next((row for row in rows if row["reference"]), None),
        "rows": rows,
    }


def _ticks(low: float, high: float, column: Column) -> Sequence[float]:
    """About five round numbers around these, a range of at least a tenth of the measure's."""
    least = 0.1 * (column.scale - column.lowest)
    if high - low < least:
        middle = (low + high) / 2
        low, high = max(column.lowest, middle - least / 2), min(column.scale, middle + least / 2)
    raw = (high - low) / 4
    size = 10 ** floor(log10(raw))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= raw * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(step * count, 6) for count in range(first, last + 1)]
