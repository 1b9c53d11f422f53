"""The charts of one backbone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ttame.metrics.road import ORDERS
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.page.charts import Style, by_epoch, curves
from ttame.report.page.scatter import scatter
from ttame.report.page.standing import Standing
from ttame.report.student import student_intervals
from ttame.store.seeds import SEED

SHORT = {"morf": "MoRF", "lerf": "LeRF"}
TERMS = {
    "validation_masked_accuracy": ("Masked images that keep their class", "%"),
    "validation_loss": ("Loss", "loss"),
    "validation_cross_entropy": ("Cross-entropy", "weighted term"),
    "validation_area": ("Area", "weighted term"),
    "validation_variation": ("Variation", "weighted term"),
}


def curve_charts(backbone: str, evaluation: Evaluation, looks: Mapping[str, Style]) -> dict[str, str]:
    """ROAD by share and the insertion and deletion curves, by caption."""
    better = {column.key: column.better for column in quality_columns(evaluation.metrics)}
    drawings = {}
    for order in ORDERS:
        what = f"ROAD {SHORT[order]}, {better[f'road_{order}']} is better"
        drawings[what] = curves(
            _road_lines(evaluation, order),
            looks=looks,
            across="% of the pixels removed",
            up="% still classified the same",
            description=f"{what}, on {backbone}",
            chart_id=f"{backbone}-{order}",
            limits=(-3, 103),
        )
    for curve, done in (("deletion", "deleted"), ("insertion", "inserted")):
        what = f"{curve.capitalize()}, {better[curve]} is better"
        drawings[what] = curves(
            probability_lines(evaluation, curve),
            looks=looks,
            across=f"% of the pixels {done}",
            up="probability",
            description=f"{what}, on {backbone}",
            chart_id=f"{backbone}-{curve}",
        )
    return drawings


def _road_lines(evaluation: Evaluation, order: str) -> dict[str, pd.DataFrame]:
    """By share, the means and the intervals of the tables."""
    shares = sorted(evaluation.metrics.road.shares)
    keys = [f"road_{order}_{share}" for share in shares]
    lines = {}
    for method, row in evaluation.means.iterrows():
        table = evaluation.intervals[str(method)].reindex(keys)
        lines[str(method)] = table.assign(mean=row[keys].astype(float)).set_axis(shares)
    return lines


def probability_lines(evaluation: Evaluation, curve: str) -> dict[str, pd.DataFrame]:
    """By percent of the pixels, means and 95 % intervals in [0, 1], over images and seeds."""
    steps = evaluation.metrics.insertion_deletion.steps
    keys = [f"{curve}_{step}" for step in range(steps + 1)]
    lines = {}
    for method, scores in evaluation.scores.items():
        values = scores.set_index(["name"] if SEED not in scores else [SEED, "name"])[keys]
        table = student_intervals(values, evaluation.report.resamples, evaluation.report.seed)
        ends = {"low": table["low"].clip(0), "high": table["high"].clip(upper=1)}
        lines[method] = table.assign(**ends).set_axis([100 * step / steps for step in range(steps + 1)])
    return lines


def passes_chart(backbone: str, reference: str, standing: Standing) -> str | None:
    """Mean rank of every method against what a map of it costs, in passes; see `_against_cost`."""
    passes = standing.table["passes"].clip(lower=1)
    return _against_cost(backbone, reference, standing, passes, "forward and backward passes a map", "passes")


def cost_chart(backbone: str, reference: str, standing: Standing, milliseconds: Mapping[str, float]) -> str | None:
    """Mean rank of every measured method against the time of a map; see `_against_cost`."""
    times = pd.Series(milliseconds, dtype=float)
    return _against_cost(backbone, reference, standing, times, "milliseconds per map", "cost")


def _against_cost(
    backbone: str, reference: str, standing: Standing, cost: pd.Series[float], unit: str, ending: str
) -> str | None:
    """Mean rank among all methods over the measures that may rank, of those whose cost is known.

    Returns:
        None where no measure may rank, or no method has both.
    """
    points = pd.DataFrame({"x": cost, "y": standing.table["rank"]}).dropna()
    if not len(points):
        return None
    count = len(standing.columns)
    rank = f"mean rank over the {count} measures that may rank" if count > 1 else "rank by the measure that may rank"
    return scatter(
        points.loc[[method for method in standing.methods if method in points.index]],
        across=unit,
        up=f"{rank}, 1 is best",
        description=f"{rank.capitalize()} against {unit}, on {backbone}",
        reference=reference,
        chart_id=f"{backbone}-{ending}",
    )


def training_charts(backbone: str, histories: Mapping[str, pd.DataFrame], looks: Mapping[str, Style]) -> dict[str, str]:
    """On the validation list by epoch, by caption: masked images that keep their class, the loss, and its terms, a line
    for each seed; a term that no method has is left out, and so is a method without the term.

    Args:
        backbone: whose mechanisms were trained.
        looks: of `styles`.
        histories: of every trained method, rows as `read_history` gives them.
    """
    drawings = {}
    for term, (what, up) in TERMS.items():
        percent = term == "validation_masked_accuracy"
        runs: dict[tuple[str, int], pd.Series[Any]] = {}
        for method, table in histories.items():
            if term not in table or not table[term].any():
                continue
            for seed, of_seed in table.groupby(SEED):
                runs[method, int(str(seed))] = of_seed.set_index("epoch")[term] * (100 if percent else 1)
        if runs:
            drawings[what] = by_epoch(
                runs,
                looks=looks,
                up=up,
                description=f"{what} by epoch, on {backbone}",
                chart_id=f"{backbone}-{term.removeprefix('validation_')}",
                highest=103 if percent else None,
            )
    return drawings
