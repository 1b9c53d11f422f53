"""What the page shows of one backbone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.params.settings import Settings
from ttame.report.columns import comparison_columns, quality_columns, sanity_columns
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import shown
from ttame.report.measure_tables import cells, recommendation
from ttame.report.page.cells import comparison_row, goodness, sanity_rows, seeds_row
from ttame.report.page.charts import styles
from ttame.report.page.dots import dot_plot
from ttame.report.page.drawings import curve_charts, passes_chart, training_charts
from ttame.report.page.headline import headline, stays_high
from ttame.report.page.heat import duels_heat, likeness_heat, measures_heat
from ttame.report.page.standing import cheaper_leader, ordered, ranking_columns, standings
from ttame.report.page.verdict import verdict


def section(
    settings: Settings,
    name: str,
    evaluation: Evaluation,
    checks: pd.DataFrame,
    sanity: Mapping[str, pd.DataFrame],
    histories: Mapping[str, pd.DataFrame],
    likeness: pd.DataFrame,
) -> dict[str, Any]:
    """The facts, tables and drawings that the template lays out.

    Args:
        settings: of the experiment.
        name: of the backbone.
        evaluation: of its methods.
        checks: what the measures can tell.
        sanity: of every method that was checked, a row per image.
        histories: of every trained method, a row per seed and epoch.
        likeness: mean correlation of the maps of every two methods.
    """
    ranking = ranking_columns(evaluation, checks)
    fit = {column.key for column in ranking}
    table = standings(evaluation, ranking)
    order = ordered(evaluation, table)
    columns = sorted(
        shown(evaluation.means, comparison_columns(settings.metrics)), key=lambda of: _worth_reading(of, fit)
    )
    measures = [column for column in quality_columns(settings.metrics) if column.key in evaluation.means]
    colours = goodness(evaluation, columns)
    rows = [comparison_row(evaluation, method, columns, colours) for method in order]
    for row in rows:
        row["leads"] = int(table["leads"][row["method"]]) if row["method"] in table.index else None
    looks = styles(settings.methods.all)
    correlations = pd.DataFrame({method: of.mean() for method, of in sanity.items()}).T
    return {
        "name": name,
        "headline": headline(name, evaluation, checks, correlations),
        "verdict": verdict(name, evaluation, checks),
        "ranking": len(ranking),
        "leaders": [str(table.index[0]), cheaper_leader(table)] if len(table) else [],
        "recommendation": recommendation(name, checks, measures),
        "measures": [{"heading": column.heading, "cells": cells(checks, column)} for column in measures],
        "agreement": measures_heat(evaluation, measures),
        "likeness": likeness_heat(likeness, order, settings.report.reference),
        "duels": duels_heat(evaluation, ranking, [str(method) for method in table.index]),
        "seeds": [seeds_row(evaluation, method, measures) for method in evaluation.several_seeds],
        "measured": measures,
        "columns": [
            {
                "heading": column.heading,
                "better": column.better,
                "objection": checks["objection"][column.key] if column.key in checks.index else "",
                "unfit": column.better is not None and column.key not in fit,
            }
            for column in columns
        ],
        "rows": rows,
        "dots": [dot_plot(evaluation, column) for column in measures],
        "sharpness": {key: float(checks["resolution"][key]) for key in fit},
        "depths": sanity_columns(settings.sanity),
        "sanity": sanity_rows(
            sanity,
            sanity_columns(settings.sanity),
            settings.report.reference,
            settings.report.resamples,
            settings.report.seed,
        ),
        "stays_high": [(title(method), f"{value:.2f}") for method, value in stays_high(correlations).items()],
        "charts": curve_charts(name, evaluation, looks),
        "passes": passes_chart(name, evaluation, table, len(ranking)) if len(ranking) and len(table) else None,
        "trained": list(histories),
        "training": training_charts(name, histories, looks),
    }


def _worth_reading(column: Column, fit: Collection[str]) -> int:
    """Those that may rank come first, then what a map costs, then the others."""
    return 0 if column.key in fit else 2 if column.better else 1


def dotted(sections: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Headings of the measures that have an interval plot by key, first those that may rank on most backbones and
    separate most methods there.
    """
    headings = {plot["key"]: plot["heading"] for of in sections for plot in of["dots"]}
    sharpness = {key: [of["sharpness"][key] for of in sections if key in of["sharpness"]] for key in headings}
    order = sorted(headings, key=lambda key: (-len(sharpness[key]), -sum(sharpness[key])))
    return {key: headings[key] for key in order}
