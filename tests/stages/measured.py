"""An experiment of forty images that all measures were taken of, and how a test changes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ttame.params.measures import MeasureSettings

RESULTS = Path("results/tiny")
METHODS = ("ground_truth", "random", "everything_but_one", "gradcam")
MEASURES = ["single_deletion", "grid_pointing", "known_parts"]
EVERY = [*MEASURES, "judged_fidelity"]


def change(**options: Mapping[str, Any]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"] |= {"training_free": list(METHODS), "trained": []}
    params["data"]["counts"]["evaluation"] = 40
    params["measures"] = MeasureSettings(taken=EVERY if "judged_fidelity" in options else MEASURES).model_dump()
    params["measures"]["grid_pointing"]["confidence"] = 0.5
    for measure, changed in options.items():
        params["measures"][measure] |= changed
    params["metrics"]["coherency"] = False
    params["sensitivity"]["images"] = 40
    Path("params.yaml").write_text(yaml.safe_dump(params))


def rows_of(method: str, measure: str) -> pd.DataFrame:
    return pd.read_parquet(RESULTS / f"measures/shapes_cnn/{measure}/{method}.parquet")
