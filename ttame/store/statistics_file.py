"""The statistics of an experiment, as the tables stage writes them and the page reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from ttame.errors import TTameError, reason_of
from ttame.store.artifacts import reading, write_text

KEYS = ["backbone", "method", "subset", "column"]
STATISTICS = ["mean", "low", "high", "difference", "p_value", "mark"]
EVERYTHING = "all"
"""The subset of all images in the evaluation list."""


def write_statistics(path: Path, statistics: pd.DataFrame) -> None:
    """Write a CSV with a row per backbone, method, subset of the images, and column.

    Nine digits, so that nothing that the page shows is rounded twice and no p-value moves across a level.
    """
    write_text(path, statistics[KEYS + STATISTICS].to_csv(index=False, float_format="%.9g"))


def read_statistics(path: Path, backbone: str, columns: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Those of one backbone on all images, indexed by method and column; no mark is an empty one.

    Args:
        path: of the CSV.
        backbone: whose methods were compared.
        columns: of every method that has scores, what is measured of its maps.

    Raises:
        TTameError: when there is no such file, it holds something else, statistics of other methods, or not all rows.
    """
    try:
        with reading(path):
            text = path.read_text(encoding="utf-8")
        table = pd.read_csv(StringIO(text))[KEYS + STATISTICS]
    except FileNotFoundError:
        raise TTameError(f"{path}: no such statistics; run `python -m ttame tables` first") from None
    except (KeyError, ValueError) as error:
        reason = reason_of(error)
        raise TTameError(f"{path}: not statistics ({reason}); run `python -m ttame tables` again") from None
    found = table[(table["backbone"] == backbone) & (table["subset"] == EVERYTHING)]
    if set(found["method"]) != set(columns):
        raise TTameError(
            f"{path}: not the statistics of the methods that have scores on {backbone}; run `python -m ttame tables` "
            "again"
        )
    expected = sorted((method, column) for method, of in columns.items() for column in of)
    if sorted(zip(found["method"], found["column"], strict=True)) != expected or not text.endswith("\n"):
        raise TTameError(
            f"{path}: {len(found)} of {len(expected)} rows on {backbone}, or others, or half a row at the end; run "
            "`python -m ttame tables` again"
        )
    # A column without any mark is read as numbers.
    marks = found["mark"].astype(object).fillna("")
    return found.assign(mark=marks).set_index(["method", "column"])[STATISTICS]


def refuse_other_means(path: Path, statistics: pd.DataFrame, means: pd.DataFrame) -> None:
    """Check that statistics are of the scores that are there now.

    Args:
        path: of the statistics.
        statistics: those of one backbone, as `read_statistics` gives them.
        means: a row per method and a column per number.

    Raises:
        TTameError: naming the first that is not.
    """
    for (method, column), written in zip(statistics.index.to_list(), statistics["mean"].tolist(), strict=True):
        now = float(means[column][method])
        if not np.isclose(written, now, rtol=1e-6, atol=1e-6, equal_nan=True):
            raise TTameError(
                f"{path}: {column} of {method} is {written:.6g} there and {now:.6g} in the scores; run `python -m "
                "ttame tables` again"
            )
