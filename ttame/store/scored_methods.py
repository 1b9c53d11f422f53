"""The scores and sanity checks of an experiment's methods, as the tables and the page read them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pandas as pd

from ttame.data.datalists import read_names
from ttame.errors import TTameError, reason_of
from ttame.explainers.registry import find
from ttame.params.settings import Settings
from ttame.store.artifacts import reading
from ttame.store.commands import command_of
from ttame.store.origin import origin_of_sanity, origin_of_scores, refuse_other_origin
from ttame.store.paths import list_file, sanity_file, scores_file
from ttame.store.scores_file import read_rows
from ttame.store.seeds import SEED, join_seeds
from ttame.store.undefined import is_defined

HELD = 2**22
"""Numbers of all methods that stay in memory once they are read, 32 MB; of many images the others are read again."""


class StoredScores(Mapping[str, pd.DataFrame]):
    """The scores of several methods. All are read once, so that what is wrong with them is said before anything is
    computed; where there are many images, no more than a few methods' are in memory at a time.

    Args:
        read: by method, reads its scores.
    """

    def __init__(self, read: Mapping[str, Callable[[], pd.DataFrame]]) -> None:
        self._read = read
        self._held: dict[str, pd.DataFrame] = {}
        free = HELD
        for method in read:
            table = read[method]()
            if table.size <= free:
                self._held[method] = table
                free -= table.size

    def __getitem__(self, method: str) -> pd.DataFrame:
        return self._held[method] if method in self._held else self._read[method]()

    def __contains__(self, method: object) -> bool:
        return method in self._read

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


def read_scores(
    settings: Settings, backbone: str, names: list[str], *, curves: bool = True
) -> tuple[StoredScores, list[str]]:
    """The scores of every method that has some, and the methods that are missing, which are named on standard error.

    Methods that are not defined on the backbone are in neither. Those whose training started from CAM have a column
    `untrained_is_cam`, since a class that it never met keeps that map. Those of several seeds stand one after the
    other, with a column `seed`. A method that lacks a seed is missing as a whole: the others alone would say less of
    chance in training than the params promise.

    Args:
        settings: of the experiment.
        backbone: whose maps were scored.
        names: the images of the evaluation list.
        curves: whether the points of the curves are read, two fifths of the numbers, beside the areas below them.

    Raises:
        TTameError: when no method has scores, or scores are not of these images.
    """
    defined, missing = {}, []
    for method in settings.methods.all:
        files = {seed: scores_file(settings, backbone, method, seed) for seed in settings.methods.seeds_of(method)}
        absent = [path for path in files.values() if not path.exists()]
        for path in absent:
            print(f"{path}: no such scores; {method} is left out", file=sys.stderr)
        if absent:
            missing.append(method)
        elif all(is_defined(path) for path in files.values()):
            defined[method] = partial(_read_seeds, settings, backbone, method, names, curves)
    if not defined and not missing:
        raise TTameError(
            f"methods: none of them is defined on {backbone}; add one that is, or take it out of backbones"
        )
    if not defined:
        first = settings.methods.all[0]
        raise TTameError(
            f"{scores_file(settings, backbone, first, None).parent}: no scores of any method; run "
            f"`python -m ttame scores {backbone} {first}` first"
        )
    return StoredScores(defined), missing


def read_sanity(settings: Settings, backbone: str) -> pd.DataFrame:
    """Mean rank correlation after randomising the classifier: a row per method that has some, a column per depth."""
    return pd.DataFrame({method: table.mean() for method, table in read_sanity_rows(settings, backbone).items()}).T


def read_sanity_rows(settings: Settings, backbone: str) -> dict[str, pd.DataFrame]:
    """Of every method that has a sanity check, a row per image, or per seed and image."""
    tables = {}
    for method in settings.methods.all:
        files = {seed: sanity_file(settings, backbone, method, seed) for seed in settings.methods.seeds_of(method)}
        if all(path.exists() and is_defined(path) for path in files.values()):
            of_seeds = {seed: _read_sanity(settings, backbone, method, seed) for seed in files}
            several = len(of_seeds) > 1
            tables[method] = pd.concat(of_seeds, names=[SEED]) if several else next(iter(of_seeds.values()))
    return tables


def _is_point(column: str) -> bool:
    return re.fullmatch(r"(insertion|deletion)_\d+", column) is not None


def _read_sanity(settings: Settings, backbone: str, method: str, seed: int | None) -> pd.DataFrame:
    path = sanity_file(settings, backbone, method, seed)
    again = command_of("sanity", backbone, method, seed)
    depths = [f"depth_{depth}" for depth in settings.sanity.depths]
    try:
        with reading(path):
            table = pd.read_csv(path, dtype={"origin": str})
        found = table[depths].astype(float)
    except (OSError, KeyError, ValueError) as error:
        raise TTameError(
            f"{path}: not a sanity check at these depths ({reason_of(error, most=120)}); run `python -m {again}` again"
        ) from None
    if not len(found):
        raise TTameError(f"{path}: no image in it; run `python -m {again}` again")
    if "origin" in table:
        stored = {"origin": str(table["origin"].iloc[0])}
        refuse_other_origin(path, stored, origin_of_sanity(settings, backbone, method, seed), again)
        expected = min(settings.sanity.images, len(read_names(list_file(settings, "evaluation"))))
        if len(found) != expected:
            raise TTameError(f"{path}: {len(found)} images of {expected}; run `python -m {again}` again")
    return found


def _starts_from_cam(settings: Settings, backbone: str, method: str) -> bool:
    """Whether it is trained here from a start that is CAM on every classifier; that of T-TAME or TAME is so on some."""
    attention = settings.attention.get(method)
    if attention is None or backbone in attention.checkpoints:
        return False
    training = find(method).training
    if training is None or training.design != "passing":
        return False
    return attention.on(backbone).mechanism.warm_start is not None


def _read_seeds(settings: Settings, backbone: str, method: str, names: list[str], curves: bool) -> pd.DataFrame:
    seeds = settings.methods.seeds_of(method)
    found = join_seeds({seed: _read(settings, backbone, method, seed, names, curves) for seed in seeds})
    return found.assign(untrained_is_cam=True) if _starts_from_cam(settings, backbone, method) else found


def _read(
    settings: Settings, backbone: str, method: str, seed: int | None, names: list[str], curves: bool
) -> pd.DataFrame:
    path = scores_file(settings, backbone, method, seed)
    again = command_of("scores", backbone, method, seed)
    scores, stored = read_rows(path, again, None if curves else _is_point)
    listed = scores["name"].tolist()
    now = {} if stored is None else origin_of_scores(settings, backbone, method, seed)
    refuse_other_origin(path, stored, now, again)
    if listed != names:
        raise TTameError(
            f"{path}: scores of {len(scores)} images, but the evaluation list names {len(names)} or others; "
            f"run `python -m {again}` again"
        )
    return scores
