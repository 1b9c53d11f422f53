"""What the tables of the demo, which git tracks and `make demo` makes again, say of the measures that we brought."""

from __future__ import annotations

import pandas as pd
import pytest

from ..conftest import REPOSITORY

TABLES = REPOSITORY / "results/shapes/tables"
NEW = {"single_deletion": 1, "grid_pointing": 1, "part_found": 1, "idle_mass": -1, "ag_100": 1, "ag_50": 1, "ag_15": 1}
"""Measures and the sign of their better end."""
NOT_STEADY = {
    ("shapes_cnn", "ag_15"),
    *(("shapes_vit", key) for key in ("ag_100", "ag_50", "ag_15")),
}
"""Average gain is of few images, those that a mask brings above their probability: with 32 of them it wavers."""


@pytest.mark.parametrize("backbone", ["shapes_cnn", "shapes_vit"])
def test_every_new_measure_puts_the_truth_above_every_control(backbone: str) -> None:
    results = pd.read_csv(TABLES / "results.csv").query("backbone == @backbone and subset == 'all'").set_index("method")
    for key, sign in NEW.items():
        worth = sign * results[key]
        for control in ("random", "center", "everything_but_one"):
            assert worth["ground_truth"] > worth[control], (key, control)


@pytest.mark.parametrize("backbone", ["shapes_cnn", "shapes_vit"])
def test_noise_makes_every_new_measure_steadily_worse_but_average_gain(backbone: str) -> None:
    checks = pd.read_csv(TABLES / "measures.csv").query("backbone == @backbone").set_index("measure")
    unsteady = {(backbone, key) for key in NEW if checks["sensitivity"][key] < 0.9}
    assert unsteady == {pair for pair in NOT_STEADY if pair[0] == backbone}
    assert checks["objection"][[key for _, key in unsteady]].notna().all(), "so no method is ranked by it"
