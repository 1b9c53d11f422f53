"""Scores as the scores stage writes them, with made-up numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ttame.measures.noise import STEPS as NOISE
from ttame.params.settings import Settings
from ttame.report.columns import quality_columns
from ttame.store.origin import origin_of_sensitivity
from ttame.store.paths import sensitivity_file

STEPS = 4


def write_scores(path: Path, names: list[str], seed: int, *, leads: bool = False) -> None:
    """Random scores of one method at the shares and steps of `tiny_params`; one that leads has the best insertion."""
    random = np.random.default_rng(seed)
    curves = [f"{curve}_{step}" for curve in ("deletion", "insertion") for step in range(STEPS + 1)]
    numbers = ["probability", *(f"probability_{share}" for share in (100, 50, 15)), "deletion", "insertion", *curves]
    table = pd.DataFrame({"name": names} | {column: random.random(len(names)) for column in numbers})
    table = table.assign(coherency=0.5, complexity=0.5, adcc=0.5, forward_passes=1.0, backward_passes=0.0)
    table["training_count"] = pd.array([pd.NA] * len(names), dtype="Int64")
    for order in ("morf", "lerf"):
        for share in (10, 70):
            table[f"road_{order}_{share}"] = random.random(len(names)) < 0.5
    if leads:
        table["insertion"] = 0.99 + 0.01 * table["insertion"]
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)


def write_sensitivity(settings: Settings, backbone: str) -> None:
    """Every measure gets worse with every step of noise in the maps of a method."""
    rows = [
        ["gradcam", noise, column.key, float(-noise if column.better == "higher" else noise)]
        for column in quality_columns(settings.metrics)
        for noise in NOISE
    ]
    path = sensitivity_file(settings, backbone)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=["method", "noise", "column", "mean"])
    table.assign(**origin_of_sensitivity(settings, backbone)).to_csv(path, index=False)
