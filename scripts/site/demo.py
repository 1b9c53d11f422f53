"""Tables of the demo's results, which git tracks, for the pages that speak of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ttame.explainers.registry import in_order
from ttame.measures.column import Column
from ttame.params.composition import compose
from ttame.report.columns import comparison_columns, quality_columns, sanity_columns
from ttame.report.markdown import cell_text, markdown_table, methods_table
from ttame.report.measure_tables import checks_table

TABLES = Path("results/shapes/tables")
BACKBONES = ("shapes_cnn", "shapes_vit")
SETTINGS = compose(Path("experiments/shapes.yaml"))
SHORT = (
    "ad_100",
    "ic_100",
    "road_morf",
    "road_lerf",
    "insertion",
    "single_deletion",
    "part_found",
    "pointing_game",
    "forward_passes",
    "backward_passes",
)
"""Columns that fit beside each other."""
NAMED = re.compile(r"^\[[^\]]+\]\((?:\.\./)*results/shapes/tables/(\w+)\.csv#(\w+)\)$", re.MULTILINE)


def with_tables(markdown: str) -> str:
    """A page's text with a table in place of a paragraph that links to one.

    `[words](../results/shapes/tables/results.csv#shapes_cnn)` alone on a line becomes the rows of that classifier;
    where the file is read without the site, the link leads to all of them.
    """
    return NAMED.sub(lambda found: MAKERS[found[1]](found[2]), markdown)


def comparison(backbone: str) -> pd.DataFrame:
    """A row per method, in the order of the tables."""
    table = pd.read_csv(TABLES / "results.csv")
    rows = table[(table["backbone"] == backbone) & (table["subset"] == "all")].set_index("method")
    return rows.loc[in_order(map(str, rows.index))]


def short_columns() -> list[Column]:
    """Those of `SHORT`."""
    return [column for column in comparison_columns(SETTINGS.metrics) if column.key in SHORT]


def results(backbone: str) -> str:
    """Every method of the demo in the short columns."""
    return methods_table(comparison(backbone), short_columns())


def measures(backbone: str) -> str:
    """What each measure can tell there."""
    table = pd.read_csv(TABLES / "measures.csv")
    checks = table[table["backbone"] == backbone].set_index("measure")
    made = checks_table(checks.assign(objection=checks["objection"].fillna("")), quality_columns(SETTINGS.metrics))
    head, rule, *rows = made.splitlines()
    return "\n".join([head, f"{rule.removesuffix(':|')}-|", *rows])  # the last column holds words


def sanity(backbone: str) -> str:
    """What is left of each method's map when the classifier is randomised."""
    table = pd.read_csv(TABLES / "sanity.csv")
    rows = table[table["backbone"] == backbone].set_index("method")
    return methods_table(rows.loc[in_order(map(str, rows.index))], sanity_columns(SETTINGS.sanity))


MAKERS: dict[str, Callable[[str], str]] = {"results": results, "measures": measures, "sanity": sanity}


def of_method(method: str) -> str:
    """A row for each classifier on which the demo has compared a method; empty where there is none."""
    rows = []
    for backbone in BACKBONES:
        table = comparison(backbone)
        if method in table.index:
            rows.append([f"`{backbone}`", *(cell_text(table, method, column) for column in short_columns())])
    headings = ["Classifier", *(column.heading for column in short_columns())]
    return markdown_table(headings, rows) if rows else ""
