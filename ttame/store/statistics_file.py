"""The statistics of an experiment, as the tables stage writes them and the page reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ttame.errors import TTameError
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


def read_statistics(path: Path, backbone: str, methods: Iterable[str]) -> pd.DataFrame:
    """Those of one backbone on all images, indexed by method and column; no mark is an empty one.

    Args:
        path: of the CSV.
        backbone: whose methods were compared.
        methods: those that have scores.

    Raises:
        TTameError: when there is no such file, it holds something else, or statistics of other methods.
    """
    try:
        with reading(path):
            table = pd.read_csv(path)[KEYS + STATISTICS]
    except FileNotFoundError:
        raise TTameError(f"{path}: no such statistics; run `python -m ttame tables` first") from None
    except (KeyError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise TTameError(f"{path}: not statistics ({reason}); run `python -m ttame tables` again") from None
    found = table[(table["backbone"] == backbone) & (table["subset"] == EVERYTHING)]
    if set(found["method"]) != set(methods):
        raise TTameError(
            f"{path}: not the statistics of the methods that have scores on {backbone}; run `python -m ttame tables` "
            "again"
        )
    # A column without any mark is read as numbers.
    marks = found["mark"].astype(object).fillna("")
    return found.assign(mark=marks).set_index(["method", "column"])[STATISTICS]
