"""What the measures can tell, as a table and in two sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ttame.measures.column import Column
from ttame.report.markdown import MISSING, markdown_table

HEADINGS = ("Measure", "Separates %", "Noise τ", "Truth first", "Fooled %", "Reading")


def checks_table(checks: pd.DataFrame, columns: Sequence[Column]) -> str:
    """A row per measure, as `check_measures` gives them, with a sentence to each."""
    rows = [[column.heading, *cells(checks, column)] for column in columns if column.key in checks.index]
    return markdown_table(HEADINGS, rows)


def cells(checks: pd.DataFrame, column: Column) -> list[str]:
    """The numbers of a measure as text, and what they mean."""
    check: dict[Any, Any] = dict(checks.T[column.key])
    truth = MISSING if pd.isna(check["truth_first"]) else "yes" if check["truth_first"] else "no"
    meaning = f"{check['objection']}: do not rank by it" if check["objection"] else "may rank"
    return [
        _number(check["resolution"], 0),
        _number(check["sensitivity"], 2),
        truth,
        _number(check["fooled"], 0),
        meaning,
    ]


def recommendation(backbone: str, checks: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Which measures methods may be ranked by, the sharpest first, and which not."""
    present = [column for column in columns if column.key in checks.index]
    titles = {column.key: column.title for column in present}
    fit = checks[checks["objection"] == ""].sort_values("resolution", ascending=False, kind="stable")
    unfit = [titles[str(key)] for key in checks.index[checks["objection"] != ""]]
    named = [f"{titles[str(key)]} ({_number(check['resolution'], 0)} %)" for key, check in fit.iterrows()]
    first = (
        f"On {backbone}, methods may be ranked by {_listed(named)}, with the share of the pairs of methods that each "
        "separates."
        if named
        else f"On {backbone}, no measure should rank the methods."
    )
    return f"{first} Do not rank by {_listed(unfit)}." if unfit else first


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(value: float, decimals: int) -> str:
    return MISSING if pd.isna(value) else f"{value:z.{decimals}f}"
