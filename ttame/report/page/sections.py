"""How the parts of the page that belong to one backbone are made of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.params.settings import Settings
from ttame.report.columns import comparison_columns, quality_columns, sanity_columns
from ttame.report.markdown import MISSING, shown
from ttame.report.measure_tables import cells, recommendation
from ttame.report.page.cells import comparison_row, goodness, sanity_rows, seeds_row
from ttame.report.page.charts import styles
from ttame.report.page.dots import dot_plot
from ttame.report.page.drawings import curve_charts, passes_chart, training_charts
from ttame.report.page.headline import headline
from ttame.report.page.heat import duels_heat, likeness_heat, measures_heat
from ttame.report.page.randomised import WHOLE, reads_auxiliary, stays_high
from ttame.report.page.section import Comparison, Heading, Measures, Results, Sanity, Section
from ttame.report.page.standing import ordered
from ttame.report.page.verdict import verdict


def section(settings: Settings, results: Results) -> Section:
    """What the page shows of these results."""
    name, evaluation, standing = results.name, results.evaluation, results.standing
    reference, looks = settings.report.reference, styles(settings.methods.all)
    measured = [column for column in quality_columns(settings.metrics) if column.key in evaluation.means]
    correlations = pd.DataFrame({method: of.mean() for method, of in results.sanity.items()}).T
    return Section(
        name=name,
        standing=standing,
        headline=headline(name, evaluation, standing, correlations),
        verdict=verdict(name, evaluation, standing),
        comparison=_comparison(settings, results),
        measures=_measures(results, measured),
        sanity=_sanity(settings, results.sanity, correlations),
        dots=[dot_plot(evaluation, column) for column in measured],
        duels=duels_heat(evaluation, standing.columns, standing.methods),
        likeness=likeness_heat(results.likeness.table, ordered(evaluation, standing), reference),
        likeness_images=results.likeness.images,
        passes=passes_chart(name, reference, standing),
        curves=curve_charts(name, evaluation, looks),
        training=training_charts(name, results.histories, looks),
        trained=list(results.histories),
    )


def _comparison(settings: Settings, results: Results) -> Comparison:
    """Measures that may rank come first, then what a map costs, then the other measures."""
    evaluation, checks, standing = results.evaluation, results.checks, results.standing
    fit = standing.separates

    def place(column: Column) -> int:
        return 0 if column.key in fit else 2 if column.better else 1

    columns = sorted(shown(evaluation.means, comparison_columns(settings.metrics)), key=place)
    headings = [
        Heading(
            column.heading,
            column.better,
            unfit=column.better is not None and column.key not in fit,
            objection=str(checks["objection"][column.key]) if column.key in checks.index else "",
        )
        for column in columns
    ]
    colours, leads = goodness(evaluation, columns), {} if standing.leader is None else dict(standing.table["leads"])
    rows = [
        comparison_row(evaluation, method, columns, colours) | {"leads": leads.get(method)}
        for method in ordered(evaluation, standing)
    ]
    return Comparison(headings, rows)


def _measures(results: Results, columns: Sequence[Column]) -> Measures:
    evaluation, checks = results.evaluation, results.checks
    rows = [
        {
            "heading": column.heading,
            "cells": [{"text": text, "value": "" if text == MISSING else text} for text in cells(checks, column)],
        }
        for column in columns
    ]
    seeds = [seeds_row(evaluation, method, columns) for method in evaluation.several_seeds]
    advice = recommendation(results.name, checks, columns)
    return Measures(advice, rows, measures_heat(evaluation, columns), columns, seeds)


def _sanity(settings: Settings, tables: Mapping[str, pd.DataFrame], correlations: pd.DataFrame) -> Sanity:
    report, depths, high = settings.report, sanity_columns(settings.sanity), stays_high(correlations)
    return Sanity(
        depths=depths,
        rows=sanity_rows(tables, depths, high, report.reference, report.resamples, report.seed),
        whole=any(column.key == WHOLE for column in depths),
        high=[(title(method), f"{value:.2f}") for method, value in high.items()],
        auxiliary=[title(method) for method in tables if reads_auxiliary(method)],
    )


def dotted(sections: Sequence[Section]) -> dict[str, str]:
    """Headings of the measures that have an interval plot by key, first those that may rank on most backbones and
    separate most methods there.
    """
    headings = {str(plot["key"]): str(plot["heading"]) for of in sections for plot in of.dots}
    found = {key: [of.standing.separates[key] for of in sections if key in of.standing.separates] for key in headings}
    order = sorted(headings, key=lambda key: (-len(found[key]), -sum(found[key])))
    return {key: headings[key] for key in order}
