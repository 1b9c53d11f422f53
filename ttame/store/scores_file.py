"""The scores and sanity checks of an experiment's methods, as the tables and the page read them."""

from __future__ import annotations

import sys

import pandas as pd

from ttame.errors import TTameError
from ttame.params.settings import Settings
from ttame.store.paths import sanity_file, scores_file
from ttame.store.undefined import is_defined


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
        method: pd.read_csv(path).drop(columns="name").mean()
        for method, path in files.items()
        if path.exists() and is_defined(path)
    }
    return pd.DataFrame(means).T


def _read(settings: Settings, backbone: str, method: str, names: list[str]) -> pd.DataFrame:
    path = scores_file(settings, backbone, method)
    try:
        scores = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TTameError(
            f"{path}: not a scores file ({error}); delete it and run `python -m ttame scores` again"
        ) from None
    if scores["name"].tolist() != names:
        raise TTameError(
            f"{path}: scores of {len(scores)} images, but the evaluation list names {len(names)} or others; "
            f"run `python -m ttame scores {backbone} {method}` again"
        )
    return scores
