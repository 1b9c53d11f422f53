"""How the trainings of a method went, as the page shows it."""

from __future__ import annotations

import pandas as pd

from ttame.errors import TTameError
from ttame.params.settings import Settings
from ttame.store.artifacts import reading
from ttame.store.commands import command_of
from ttame.store.paths import history_file

COLUMNS = ["epoch", "validation_masked_accuracy"]


def read_history(settings: Settings, backbone: str, method: str) -> pd.DataFrame:
    """A row per epoch, the mean over the seeds whose history is there; none of an imported mechanism.

    Raises:
        TTameError: when a file holds something else.
    """
    tables = [pd.DataFrame(columns=COLUMNS, dtype=float)]
    for seed in settings.methods.seeds_of(method):
        path = history_file(settings, backbone, method, seed)
        if not path.exists():
            continue
        try:
            with reading(path):
                tables.append(pd.read_csv(path)[COLUMNS].astype(float))
        except (KeyError, ValueError) as error:
            reason, again = " ".join(str(error).split())[:120], command_of("train", backbone, method, seed)
            raise TTameError(
                f"{path}: not the history of a training ({reason}); run `python -m {again}` again"
            ) from None
    filled = [table for table in tables if len(table)]
    return pd.concat(filled).groupby("epoch", as_index=False).mean() if filled else tables[0]
