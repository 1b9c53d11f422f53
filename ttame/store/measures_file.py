"""What the measures of an experiment say, as the tables and the page read it."""

from __future__ import annotations

import sys
from collections.abc import Collection

import numpy as np
import pandas as pd

from ttame.errors import TTameError
from ttame.measures.column import SILENT
from ttame.measures.registry import MEASURES
from ttame.params.settings import Settings
from ttame.store.commands import command_of
from ttame.store.origin import origin_of_measure, refuse_other_origin
from ttame.store.paths import measure_file
from ttame.store.scores_file import read_rows
from ttame.store.seeds import SEED
from ttame.store.undefined import is_defined


def read_measures(settings: Settings, backbone: str, methods: Collection[str]) -> dict[str, dict[str, pd.DataFrame]]:
    """What the measures of the experiment say, by measure and method: a row per unit, columns as tables show them.

    A measure that says nothing of this backbone is left out; a method without a file is named on standard error. A
    method with several seeds has a row per seed and unit, and no row where one of them lacks a file.

    Args:
        settings: of the experiment.
        backbone: whose maps were judged.
        methods: those that have scores; a method without has no row in any table.

    Raises:
        TTameError: when a file is broken, or was made of something else.
    """
    found: dict[str, dict[str, pd.DataFrame]] = {}
    for measure in settings.measures.taken:
        runs = [(method, seed) for method in methods for seed in settings.methods.seeds_of(method)]
        files = [measure_file(settings, backbone, *run, measure) for run in runs]
        if not any(path.exists() for path in files):
            print(f"{files[0].parent}: no scores; left out", file=sys.stderr)
            continue
        tables = {method: _read_seeds(settings, backbone, method, measure) for method in methods}
        present = {method: table for method, table in tables.items() if table is not None}
        if present:
            found[measure] = present
    return found


def silent_shares(settings: Settings, backbone: str, measure: str, methods: Collection[str]) -> dict[str, float]:
    """Percent of the maps that say nothing to a measure, mean over the seeds, of the methods that have such maps.

    Raises:
        TTameError: when a file is broken or not there.
    """
    found = {}
    for method in methods:
        runs = [measure_file(settings, backbone, method, seed, measure) for seed in settings.methods.seeds_of(method)]
        again = command_of("measure", backbone, method, None, measure)
        tables = [read_rows(path, again, lambda name: name not in {"name", SILENT})[0] for path in runs]
        shares = [100 * table[SILENT].mean() for table in tables if SILENT in table]
        if any(shares):
            found[method] = float(np.mean(shares))
    return found


def _read_seeds(settings: Settings, backbone: str, method: str, measure: str) -> pd.DataFrame | None:
    read = {seed: _read(settings, backbone, method, seed, measure) for seed in settings.methods.seeds_of(method)}
    found = {seed: table for seed, table in read.items() if table is not None}
    if len(found) < len(read):
        return None
    return pd.concat(found, names=[SEED, "name"]) if len(found) > 1 else next(iter(found.values()))


def _read(settings: Settings, backbone: str, method: str, seed: int | None, measure: str) -> pd.DataFrame | None:
    path = measure_file(settings, backbone, method, seed, measure)
    again = command_of("measure", backbone, method, seed, measure)
    if not path.exists():
        print(f"{path}: no such scores; left out", file=sys.stderr)
        return None
    if not is_defined(path):
        return None
    table, stored = read_rows(path, again)
    refuse_other_origin(path, stored, origin_of_measure(settings, backbone, method, seed, measure), again)
    columns = MEASURES[measure].columns
    try:
        return pd.DataFrame({column.key: column.scale * table[column.key] for column in columns}).set_axis(
            table["name"]
        )
    except KeyError as error:
        raise TTameError(f"{path}: no column {error}; run `python -m {again}` again") from None
