"""Square tables that are read by their colours: agreement of measures, likeness of maps, who is better than whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ttame.explainers.registry import find, title
from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.measure_checks import agreement
from ttame.report.page.cells import signed
from ttame.report.pairs import every_pair
from ttame.report.statistics import LEVEL

Heat = dict[str, Any]
Heading = dict[str, Any]


def measures_heat(evaluation: Evaluation, columns: Sequence[Column]) -> Heat:
    """Kendall's rank correlation between the rankings by every two measures."""
    table = agreement(evaluation.means, columns)
    titles = {column.key: column.title for column in columns}
    headings = [{"title": titles[str(key)], "kind": "", "reference": False} for key in table.index]
    return _heat(headings, [[_correlation(value) for value in row] for row in table.to_numpy(float)])


def likeness_heat(likeness: pd.DataFrame, order: Sequence[str], reference: str) -> Heat:
    """Mean correlation of the maps of every two methods, in this order."""
    table = likeness.loc[list(order), list(order)]
    return _heat(_methods(order, reference), [[_correlation(value) for value in row] for row in table.to_numpy(float)])


def duels_heat(evaluation: Evaluation, columns: Sequence[Column], order: Sequence[str]) -> Heat | None:
    """In how many measures a row is significantly better than a column, less those in which it is worse.

    Args:
        evaluation: of the methods.
        columns: the measures that count.
        order: of the methods, controls aside.

    Returns:
        None where two images or two methods or any measure are missing, so that nothing can be told.
    """
    if not len(columns) or evaluation.images < 2 or len(order) < 2:
        return None
    counted = wins(evaluation, columns)
    cells = [
        [_duel(row, column, counted[row, column], counted[column, row], len(columns)) for column in order]
        for row in order
    ]
    return _heat(_methods(order, evaluation.report.reference), cells)


def wins(evaluation: Evaluation, columns: Sequence[Column]) -> Counter[tuple[str, str]]:
    """By winner and loser, controls aside, in how many columns the one is significantly better than the other."""
    higher = {column.key: column.better == "higher" for column in columns}
    counted: Counter[tuple[str, str]] = Counter()
    for values in evaluation.values:
        found = every_pair(values, list(higher), evaluation.report.resamples, evaluation.report.seed, claimed=True)
        for key, pairs in found.items():
            significant = pairs[pairs["p_value"] <= LEVEL]
            first_is_better = (significant["difference"] > 0) == higher[key]
            winners = significant["first"].where(first_is_better, significant["second"])
            losers = significant["second"].where(first_is_better, significant["first"])
            counted.update(zip(map(str, winners), map(str, losers), strict=True))
    return counted


def _duel(row: str, column: str, won: int, lost: int, measures: int) -> dict[str, Any]:
    if row == column:
        return {"text": "", "share": None, "side": "", "said": ""}
    said = f"{title(row)} against {title(column)}: better in {won}, worse in {lost} of {measures}"
    text = signed(f"{won - lost:+d}") if won != lost else "0"
    return {"text": text, "share": round(abs(won - lost) / measures, 2), "side": _side(won - lost), "said": said}


def _correlation(value: float) -> dict[str, Any]:
    if pd.isna(value):
        return {"text": "", "share": None, "side": "", "said": ""}
    text = signed(f"{value:.1f}").removesuffix(".0").replace("0.", ".")
    return {"text": text, "share": round(min(abs(value), 1.0), 2), "side": _side(value), "said": ""}


def _side(value: float) -> str:
    return "above" if value > 0 else "below" if value < 0 else ""


def _methods(order: Sequence[str], reference: str) -> list[Heading]:
    return [{"title": title(method), "kind": find(method).kind, "reference": method == reference} for method in order]


def _heat(headings: Sequence[Heading], cells: Sequence[Sequence[Mapping[str, Any]]]) -> Heat:
    return {"headings": headings, "rows": [{**head, "cells": of} for head, of in zip(headings, cells, strict=True)]}
