"""The scores and sanity checks of an experiment's methods, as the tables and the page read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ttame.data.datalists import read_names
from ttame.errors import TTameError
from ttame.params.settings import Settings
from ttame.store.artifacts import atomic_path, reading
from ttame.store.origin import KEY, origin_of_sanity, origin_of_scores, refuse_other_origin
from ttame.store.paths import list_file, sanity_file, scores_file
from ttame.store.undefined import is_defined


def write_scores(path: Path, table: pd.DataFrame, origin: Mapping[str, str]) -> None:
    """Write the scores of a pair as Parquet, with what they were made of in the metadata."""
    import pyarrow
    import pyarrow.parquet

    written = pyarrow.Table.from_pandas(table, preserve_index=False)
    metadata = {**(written.schema.metadata or {}), KEY.encode(): json.dumps(origin, sort_keys=True).encode()}
    with atomic_path(path) as temporary:
        pyarrow.parquet.write_table(written.replace_schema_metadata(metadata), temporary)


def read_scores(settings: Settings, backbone: str, names: list[str]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The scores of every method that has some, and the methods that are missing, which are named on standard error.

    Methods that are not defined on the backbone are in neither.

    Args:
        settings: of the experiment.
        backbone: whose maps were scored.
        names: the images of the evaluation list.

    Raises:
        TTameError: when no method has scores, or scores are not of these images.
    """
    scores, missing = {}, []
    for method in settings.methods.all:
        path = scores_file(settings, backbone, method)
        if not path.exists():
            missing.append(method)
            print(f"{path}: no such scores; left out", file=sys.stderr)
        elif is_defined(path):
            scores[method] = _read(settings, backbone, method, names)
    if not scores and not missing:
        raise TTameError(
            f"methods: none of them is defined on {backbone}; add one that is, or take it out of backbones"
        )
    if not scores:
        first = settings.methods.all[0]
        raise TTameError(
            f"{scores_file(settings, backbone, first).parent}: no scores of any method; run "
            f"`python -m ttame scores {backbone} {first}` first"
        )
    return scores, missing


def read_sanity(settings: Settings, backbone: str) -> pd.DataFrame:
    """Mean rank correlation after randomising the classifier: a row per method that has some, a column per depth."""
    files = {method: sanity_file(settings, backbone, method) for method in settings.methods.all}
    means = {
        method: _read_sanity(settings, backbone, method).mean()
        for method, path in files.items()
        if path.exists() and is_defined(path)
    }
    return pd.DataFrame(means).T


def _read_sanity(settings: Settings, backbone: str, method: str) -> pd.DataFrame:
    path, again = sanity_file(settings, backbone, method), f"ttame sanity {backbone} {method}"
    depths = [f"depth_{depth}" for depth in settings.sanity.depths]
    try:
        with reading(path):
            table = pd.read_csv(path, dtype={"origin": str})
        found = table[depths].astype(float)
    except (OSError, KeyError, ValueError) as error:
        raise TTameError(
            f"{path}: not a sanity check at these depths ({_reason(error)}); run `python -m {again}` again"
        ) from None
    if not len(found):
        raise TTameError(f"{path}: no image in it; run `python -m {again}` again")
    if "origin" in table:
        stored = {"origin": str(table["origin"].iloc[0])}
        refuse_other_origin(path, stored, origin_of_sanity(settings, backbone, method), again)
        expected = min(settings.sanity.images, len(read_names(list_file(settings, "evaluation"))))
        if len(found) != expected:
            raise TTameError(f"{path}: {len(found)} images of {expected}; run `python -m {again}` again")
    return found


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def _read(settings: Settings, backbone: str, method: str, names: list[str]) -> pd.DataFrame:
    path, again = scores_file(settings, backbone, method), f"ttame scores {backbone} {method}"
    try:
        import pyarrow.parquet

        with reading(path):
            metadata = pyarrow.parquet.read_schema(path).metadata or {}
            scores = pd.read_parquet(path)
        stored = json.loads(metadata[KEY.encode()]) if KEY.encode() in metadata else None
        listed = scores["name"].tolist()
    except (OSError, KeyError, ValueError) as error:
        raise TTameError(
            f"{path}: not a scores file ({_reason(error)}); delete it and run `python -m {again}` again"
        ) from None
    now = {} if stored is None else origin_of_scores(settings, backbone, method)
    refuse_other_origin(path, stored, now, again)
    if listed != names:
        raise TTameError(
            f"{path}: scores of {len(scores)} images, but the evaluation list names {len(names)} or others; "
            f"run `python -m {again}` again"
        )
    return scores
