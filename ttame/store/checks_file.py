"""What the measures can tell, as the tables stage writes it and the page reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from ttame.errors import TTameError, reason_of
from ttame.store.artifacts import reading, write_text

KEYS = ["backbone", "measure"]
CHECKS = ["resolution", "sensitivity", "truth_first", "fooled", "objection"]


def write_checks(path: Path, checks: Mapping[str, pd.DataFrame]) -> None:
    """Write a CSV with a row per backbone and measure."""
    tables = [table.rename_axis("measure").reset_index().assign(backbone=name) for name, table in checks.items()]
    write_text(path, pd.concat(tables)[KEYS + CHECKS].to_csv(index=False, float_format="%.9g"))


def read_checks(path: Path, backbone: str, measures: Iterable[str]) -> pd.DataFrame:
    """Those of one backbone, indexed by measure.

    Args:
        path: of the CSV.
        backbone: whose methods were compared.
        measures: that its methods have.

    Raises:
        TTameError: when there is no such file, it holds something else, or not all rows.
    """
    try:
        with reading(path):
            text = path.read_text(encoding="utf-8")
        table = pd.read_csv(StringIO(text), dtype={"objection": str})[KEYS + CHECKS]
    except FileNotFoundError:
        raise TTameError(f"{path}: no such file; run `python -m ttame tables` first") from None
    except (OSError, KeyError, ValueError) as error:
        reason = reason_of(error)
        raise TTameError(f"{path}: not checks of measures ({reason}); run `python -m ttame tables` again") from None
    found = table[table["backbone"] == backbone].set_index("measure")[CHECKS]
    if set(found.index) != set(measures) or not text.endswith("\n"):
        raise TTameError(
            f"{path}: not all measures of {backbone}, or others, or half a row at the end; run `python -m ttame "
            "tables` again"
        )
    return found.fillna({"objection": ""})


def write_agreement(path: Path, agreements: Mapping[str, pd.DataFrame]) -> None:
    """Write a CSV with a row per backbone and ordered pair of measures."""
    rows = [
        [backbone, first, second, table.loc[first, second]]
        for backbone, table in agreements.items()
        for first in table.index
        for second in table.columns
    ]
    table = pd.DataFrame(rows, columns=["backbone", "first", "second", "tau"])
    write_text(path, table.to_csv(index=False, float_format="%.6g"))
