"""How the measures answer to noise, as the tables read it."""

from __future__ import annotations

import sys

import pandas as pd

from ttame.errors import TTameError, reason_of
from ttame.params.settings import Settings
from ttame.store.artifacts import reading
from ttame.store.origin import origin_of_sensitivity, refuse_other_origin
from ttame.store.paths import sensitivity_file

COLUMNS = ["method", "noise", "column", "mean"]


def read_sensitivity(settings: Settings, backbone: str) -> pd.DataFrame:
    """A row per method, percent of noise and column; none where the stage has not run, which is said.

    Raises:
        TTameError: when the file holds something else, or was made of something else.
    """
    path, again = sensitivity_file(settings, backbone), f"ttame sensitivity {backbone}"
    if not path.exists():
        print(f"{path}: no such file; what noise does to the measures is left out", file=sys.stderr)
        return pd.DataFrame(columns=COLUMNS)
    try:
        with reading(path):
            table = pd.read_csv(path, dtype={"origin": str})
        found = table[COLUMNS].astype({"noise": int, "mean": float})
        origins = table["origin"].astype(str)
    except (OSError, KeyError, ValueError) as error:
        reason = reason_of(error, most=120)
        raise TTameError(f"{path}: no answers to noise ({reason}); run `python -m {again}` again") from None
    if len(found):  # of controls alone there is nothing to ask
        refuse_other_origin(path, {"origin": origins[0]}, origin_of_sensitivity(settings, backbone), again)
    return found
