"""The charts of one backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ttame.measures.column import Column
from ttame.metrics.road import ORDERS
from ttame.report.columns import quality_columns
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import shown
from ttame.report.page.charts import Style, by_epoch, curves
from ttame.report.page.scatter import scatter
from ttame.report.ranking import worth_of
from ttame.report.seeds import mean_over_seeds, training_errors
from ttame.store.seeds import SEED

SHORT = {"morf": "MoRF", "lerf": "LeRF"}
TERMS = {
    "validation_masked_accuracy": ("Masked images that keep their class", "%"),
    "validation_loss": ("Loss", "loss"),
    "validation_cross_entropy": ("Cross-entropy", "weighted term"),
    "validation_area": ("Area", "weighted term"),
    "validation_variation": ("Variation", "weighted term"),
}
NORMAL = 1.96
"""Standard errors on each side of a 95 % interval of the normal distribution."""


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
    """By percent of the pixels, means and 1.96 standard errors on each side of them, over images and seeds."""
    steps = evaluation.metrics.insertion_deletion.steps
    keys = [f"{curve}_{step}" for step in range(steps + 1)]
    lines = {}
    for method, scores in evaluation.scores.items():
        index = ["name"] if SEED not in scores else [SEED, "name"]
        values = scores.set_index(index)[keys]
        by_image, of_training = mean_over_seeds(values), training_errors(values)
        variance = by_image.var(ddof=1) / len(by_image) + (0 if of_training is None else of_training**2)
        mean, reach = by_image.mean(), NORMAL * np.sqrt(variance)
        table = pd.DataFrame({"mean": mean, "low": (mean - reach).clip(0), "high": (mean + reach).clip(upper=1)})
        lines[method] = table.set_axis([100 * step / steps for step in range(steps + 1)])
    return lines


def passes_chart(backbone: str, evaluation: Evaluation, table: pd.DataFrame, measures: int) -> str:
    """Mean rank of a method over the measures that count against what a map of it costs, in passes.

    Args:
        backbone, evaluation: whose.
        table: of `standings`.
        measures: how many count.
    """
    points = pd.DataFrame({"x": table["passes"].clip(lower=1), "y": table["rank"]})
    return scatter(
        points,
        across="forward and backward passes a map",
        up="mean rank, 1 is best",
        description=f"Mean rank over the {measures} measures that may rank against passes a map, on {backbone}",
        reference=evaluation.report.reference,
        chart_id=f"{backbone}-passes",
    )


def cost_chart(backbone: str, evaluation: Evaluation, milliseconds: Mapping[str, float]) -> str:
    """Mean rank of a method over all measures, among all methods, against the measured time of a map."""
    means = evaluation.means.loc[list(milliseconds)]
    ranks = [worth_of(means, column).rank(ascending=False) for column in _present(evaluation, means)]
    points = pd.DataFrame({"x": pd.Series(milliseconds), "y": pd.concat(ranks, axis=1).mean(axis=1)})
    return scatter(
        points,
        across="milliseconds per map",
        up="mean rank, 1 is best",
        description=f"Mean rank over the measures against milliseconds per map, on {backbone}",
        reference=evaluation.report.reference,
        chart_id=f"{backbone}-cost",
    )


def _present(evaluation: Evaluation, means: pd.DataFrame) -> Sequence[Column]:
    return shown(means, quality_columns(evaluation.metrics))


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
