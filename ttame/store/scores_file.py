"""The file that holds the scores of one method on one backbone, a row per image; measures write the same kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from ttame.errors import TTameError, reason_of
from ttame.store.artifacts import atomic_path, reading
from ttame.store.origin import KEY


def write_scores(path: Path, table: pd.DataFrame, origin: Mapping[str, str]) -> None:
    """Write the scores of a pair as Parquet, with what they were made of in the metadata."""
    import pyarrow
    import pyarrow.parquet

    written = pyarrow.Table.from_pandas(table, preserve_index=False)
    metadata = {**(written.schema.metadata or {}), KEY.encode(): json.dumps(origin, sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(written.replace_schema_metadata(metadata), temporary)


def read_rows(
    path: Path, again: str, without: Callable[[str], bool] | None = None
) -> tuple[pd.DataFrame, dict[str, str] | None]:
    """The rows of a file of `write_scores`, and what they were made of, None where the file does not say.

    Args:
        path: of the file.
        again: the command that makes it, without `python -m`.
        without: which columns are not read; by default all are.

    Raises:
        TTameError: when it is no such file.
    """
    try:
        import pyarrow.parquet

        with reading(path):
            schema = pyarrow.parquet.read_schema(path)
            metadata = schema.metadata or {}
            columns = None if without is None else [name for name in schema.names if not without(name)]
            scores = pd.read_parquet(path, columns=columns)
        stored = json.loads(metadata[KEY.encode()]) if KEY.encode() in metadata else None
        scores["name"].tolist()
    except (OSError, KeyError, ValueError) as error:
        raise TTameError(
            f"{path}: not a scores file ({reason_of(error, most=120)}); delete it and run `python -m {again}` again"
        ) from None
    return scores, stored
