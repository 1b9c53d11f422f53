"""How the trainings of a method went, as the page shows it."""

from __future__ import annotations

import pandas as pd

from ttame.errors import TTameError, reason_of
from ttame.params.settings import Settings
from ttame.store.artifacts import reading
from ttame.store.commands import command_of
from ttame.store.paths import history_file
from ttame.store.seeds import SEED

COLUMNS = ["epoch", "validation_masked_accuracy"]
TERMS = ["validation_loss", "validation_cross_entropy", "validation_area", "validation_variation"]
"""The loss and its terms as they are weighted, where the training wrote them."""


def read_history(settings: Settings, backbone: str, method: str) -> pd.DataFrame:
    """A row per seed whose history is there, and epoch; none of an imported mechanism.

    Raises:
        TTameError: when a file holds something else.
    """
    tables = [pd.DataFrame(columns=[*COLUMNS, SEED], dtype=float)]
    for seed in settings.methods.seeds_of(method):
        path = history_file(settings, backbone, method, seed)
        if not path.exists():
            continue
        try:
            with reading(path):
                table = pd.read_csv(path)
            terms = [term for term in TERMS if term in table]
            tables.append(table[[*COLUMNS, *terms]].astype(float).assign(**{SEED: seed}))
        except (KeyError, ValueError) as error:
            reason, again = reason_of(error, most=120), command_of("train", backbone, method, seed)
            raise TTameError(
                f"{path}: not the history of a training ({reason}); run `python -m {again}` again"
            ) from None
    filled = [table for table in tables if len(table)]
    return pd.concat(filled) if filled else tables[0]
