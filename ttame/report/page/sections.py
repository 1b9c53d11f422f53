"""What the page shows of one backbone: the cells of its table, and its charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.metrics.road import ORDERS
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import cell_text, number, shown
from ttame.report.measure_checks import agreement
from ttame.report.page.charts import curves, heat_map, scatter

SHORT = {"morf": "MoRF", "lerf": "LeRF"}


def table_row(evaluation: Evaluation, method: str, columns: Sequence[Column]) -> dict[str, Any]:
    """A method's title and cells: value to sort by, text, interval and mark."""
    intervals = evaluation.intervals[method]
    cells = []
    for column in columns:
        value = float(evaluation.means[column.key][method])
        ends = tuple(map(float, intervals.loc[column.key])) if column.key in intervals.index else None
        cells.append(
            {
                "value": "" if pd.isna(value) else f"{value:.6g}",
                "text": cell_text(evaluation.means, method, column),
                "interval": "" if ends is None else _interval(ends, column),
                "mark": evaluation.marks.get((method, column.key), ""),
            }
        )
    return {"title": title(method), "cells": cells}


def seeds_row(evaluation: Evaluation, method: str, columns: Sequence[Column]) -> dict[str, Any]:
    """A method's title, its number of seeds, and in every column the mean of its lowest and its highest seed."""
    means = evaluation.several_seeds[method]
    present = [means.get(column.key) for column in columns]
    cells = [
        {"text": "" if of is None else _interval((of.min(), of.max()), column), "value": _width(of)}
        for of, column in zip(present, columns, strict=True)
    ]
    return {"title": title(method), "seeds": len(means), "cells": cells}


def _width(means: pd.Series[Any] | None) -> str:
    return "" if means is None else f"{means.max() - means.min():.6g}"


def _interval(ends: tuple[float, ...], column: Column) -> str:
    return "n/a" if pd.isna(ends[0]) else "–".join(number(end, column) for end in ends)


def curve_charts(backbone: str, evaluation: Evaluation) -> dict[str, str]:
    """ROAD by share and the insertion and deletion curves, by caption."""
    metrics = evaluation.metrics
    better = {column.key: column.better for column in quality_columns(metrics)}
    drawings = {}
    for order in ORDERS:
        lines = {
            str(method): pd.Series({share: row[f"road_{order}_{share}"] for share in sorted(metrics.road.shares)})
            for method, row in evaluation.means.iterrows()
        }
        what = f"ROAD {SHORT[order]}, {better[f'road_{order}']} is better"
        drawings[what] = curves(
            lines,
            across="% of the pixels removed",
            up="% still classified the same",
            description=f"{what}, on {backbone}",
            chart_id=f"{backbone}-{order}",
            limits=(-3, 103),
        )
    steps = metrics.insertion_deletion.steps
    for curve, done in (("deletion", "deleted"), ("insertion", "inserted")):
        lines = {
            method: pd.Series({100 * step / steps: table[f"{curve}_{step}"].mean() for step in range(steps + 1)})
            for method, table in evaluation.scores.items()
        }
        what = f"{curve.capitalize()}, {better[curve]} is better"
        drawings[what] = curves(
            lines,
            across=f"% of the pixels {done}",
            up="probability",
            description=f"{what}, on {backbone}",
            chart_id=f"{backbone}-{curve}",
        )
    return drawings


def agreement_chart(backbone: str, evaluation: Evaluation) -> str:
    """How far every two measures agree on the order of the methods."""
    columns = quality_columns(evaluation.metrics)
    return heat_map(
        agreement(evaluation.means, columns),
        {column.key: column.title for column in columns},
        description=f"Kendall's rank correlation between the rankings by every two measures, on {backbone}",
        chart_id=f"{backbone}-agreement",
    )


def cost_chart(backbone: str, evaluation: Evaluation, milliseconds: Mapping[str, float]) -> str:
    """Mean rank of a method over all measures, among all methods, against the measured time of a map."""
    means = evaluation.means.loc[list(milliseconds)]
    columns = shown(means, quality_columns(evaluation.metrics))
    ranks = [means[column.key].rank(ascending=column.better == "lower") for column in columns]
    points = pd.DataFrame({"x": pd.Series(milliseconds), "y": pd.concat(ranks, axis=1).mean(axis=1)})
    return scatter(
        points,
        across="milliseconds per map",
        up="mean rank over the measures, 1 is best",
        description=f"Mean rank over the measures against milliseconds per map, on {backbone}",
        chart_id=f"{backbone}-cost",
    )


def training_chart(backbone: str, histories: Mapping[str, pd.DataFrame]) -> str:
    """How many masked validation images keep their class, by epoch."""
    return curves(
        {method: 100 * table.set_index("epoch")["validation_masked_accuracy"] for method, table in histories.items()},
        across="epoch",
        up="% of masked images that keep their class",
        description=f"Masked validation images that keep their class by epoch, on {backbone}",
        chart_id=f"{backbone}-training",
    )
