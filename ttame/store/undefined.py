"""Artifacts of a pair that there is nothing to say of: a method that is not defined on a classifier.

Every file of such a pair holds the reason and nothing else, so that backbones and methods are one rectangle in the DAG.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ttame.errors import NotDefined
from ttame.store.artifacts import atomic_path, write_text

KEY = "not_defined"


def write_undefined(path: Path, reason: str) -> None:
    """Write the reason in the format that the file's ending says: safetensors, Parquet, CSV or JSON."""
    if path.suffix == ".json":
        write_text(path, json.dumps({KEY: reason}) + "\n")
    elif path.suffix == ".csv":
        import pandas as pd

        write_text(path, pd.DataFrame({KEY: [reason]}).to_csv(index=False))
    elif path.suffix == ".parquet":
        import pandas as pd

        with atomic_path(path) as temporary:
            pd.DataFrame({KEY: [reason]}).to_parquet(temporary, index=False)
    else:
        from safetensors.torch import save_file

        with atomic_path(path) as temporary:
            save_file({}, temporary, {KEY: reason})


def refuse_undefined(path: Path) -> None:
    """Check that a file, if it is there and readable, is of a pair that is defined.

    Raises:
        NotDefined: with the reason that the file gives.
    """
    reason = undefined_reason(path) if path.exists() else None
    if reason is not None:
        raise NotDefined(reason)


def is_defined(path: Path) -> bool:
    """Whether a file holds more than the reason why there is nothing to hold."""
    return undefined_reason(path) is None


def undefined_reason(path: Path) -> str | None:
    """Why there is nothing in a file, or None where there is something."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt") as file:
                return (file.metadata() or {}).get(KEY)
        if path.suffix == ".parquet":
            import pyarrow.parquet

            table = pyarrow.parquet.read_table(path) if KEY in pyarrow.parquet.read_schema(path).names else None
            return None if table is None else str(table[KEY][0])
        first, _, rest = path.read_text(encoding="utf-8").partition("\n")
        if path.suffix == ".csv":
            return next(csv.reader([rest.strip()]))[0] if first == KEY else None
        found = json.loads(first + rest)
        return found.get(KEY) if isinstance(found, dict) else None
    except Exception:  # whatever a broken file makes its reader raise; the reader of the values will name it
        return None
