"""The statistics of the tables stage, on made-up scores of as many images and methods as a large experiment has."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.photographs import settings_of
from ttame.metrics.insertion_deletion import CURVES
from ttame.metrics.road import ORDERS
from ttame.params.evaluation import MetricSettings
from ttame.report.evaluation import evaluate

IMAGES = 2000


def rows() -> list[list[str]]:
    """Every interval, p-value and mark of one backbone: seconds, and memory in another run, since tracing slows it."""
    settings = settings_of("shapes")
    methods = settings.methods.all
    names = [str(number) for number in range(IMAGES)]
    scores = {method: made_up_scores(settings.metrics, seed, names) for seed, method in enumerate(methods)}
    started = time.perf_counter()
    evaluate(scores, settings.metrics, settings.report)
    seconds = time.perf_counter() - started
    tracemalloc.start()
    evaluate(scores, settings.metrics, settings.report)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    what = f"statistics of {IMAGES} images, {len(methods)} methods, {settings.report.resamples} resamples"
    return [
        [f"{what}, seconds", f"{seconds:.1f}", "10"],
        [f"{what}, peak of what they allocate, MB", f"{peak / 1e6:.0f}", ""],
    ]


def made_up_scores(metrics: MetricSettings, seed: int, names: Sequence[str]) -> pd.DataFrame:
    """Random scores of one method, with every column that tables and page read."""
    random = np.random.default_rng(seed)
    level = random.uniform(0.4, 0.6)
    shares = [f"probability_{share}" for share in metrics.shares]
    curves = [f"{curve}_{step}" for curve in CURVES for step in range(metrics.insertion_deletion.steps + 1)]
    others = [*CURVES, *curves, "coherency", "complexity", "adcc", "mass_inside"]
    fractions = ["probability", *shares, *others]
    decided = ["pointing_game", *(f"road_{order}_{share}" for order in ORDERS for share in metrics.road.shares)]
    table = pd.DataFrame({"name": list(names), "target": 0})
    table = table.assign(forward_passes=1.0, backward_passes=0.0)
    table["training_count"] = pd.array([pd.NA] * len(names), dtype="Int64")
    numbers = random.random((len(names), len(fractions)), dtype=np.float32) ** np.float32(1 / level - 1)
    table = table.join(pd.DataFrame(numbers, columns=fractions))
    return table.join(pd.DataFrame(random.random((len(names), len(decided))) < level, columns=decided))
