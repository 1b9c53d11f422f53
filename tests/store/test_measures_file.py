"""How many maps say nothing to a measure, as the files of several trainings tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ttame.errors import TTameError
from ttame.measures.column import SILENT
from ttame.params.reading import parse_settings
from ttame.params.settings import Settings
from ttame.store.measures_file import silent_shares
from ttame.store.paths import measure_file
from ttame.store.scores_file import write_scores

MEASURE = "single_deletion"
PAIRS = [("gradcam", None, [0.0, 0.0]), ("ttame", 1, [1.0, 0.0]), ("ttame", 2, [0.0, 0.0]), ("ttame", 3, [1.0, 1.0])]


@pytest.fixture
def settings(params: dict[str, Any], tmp_path: Path, monkeypatch) -> Settings:
    """Two methods, of which three trainings of one have silent maps: one of two, none and both."""
    monkeypatch.chdir(tmp_path)
    params["methods"] |= {"training_free": ["gradcam"], "trained": ["ttame"], "seeds": [1, 2, 3]}
    made = parse_settings(params)
    for method, seed, silent in PAIRS:
        table = pd.DataFrame({"name": ["a", "b"], MEASURE: [0.5, 0.5], SILENT: silent})
        write_scores(measure_file(made, "shapes_cnn", method, seed, MEASURE), table, {})
    return made


def test_the_share_is_the_mean_over_the_seeds_of_those_that_have_any(settings: Settings) -> None:
    assert silent_shares(settings, "shapes_cnn", MEASURE, ["gradcam", "ttame"]) == {"ttame": 50.0}


def test_a_broken_file_is_named(settings: Settings) -> None:
    path = measure_file(settings, "shapes_cnn", "ttame", 2, MEASURE)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(TTameError, match=r"single_deletion/ttame\.seed2\.parquet: .*python -m ttame measure"):
        silent_shares(settings, "shapes_cnn", MEASURE, ["ttame"])
