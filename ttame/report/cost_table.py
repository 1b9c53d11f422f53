"""The table of measured seconds and memory. Measurements differ from run to run, so no result depends on it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from ttame.errors import TTameError
from ttame.explainers.registry import find, title
from ttame.params.settings import Settings
from ttame.report.markdown import MISSING, markdown_table
from ttame.store.artifacts import reading, write_text
from ttame.store.commands import command_of
from ttame.store.paths import cost_file, results_file, training_speed_file
from ttame.store.undefined import is_defined

INTRODUCTION = """\
# Cost of `{experiment}`, as measured

Seconds per map are the median over batches of the explainer's call alone, of a trained method's first seed; peak
memory is the whole process's on a
CPU and the allocated memory on a GPU.
"""


def write_cost_tables(settings: Settings) -> tuple[list[str], list[list[str]]]:
    """Write `cost.csv` and `cost.md`, a row per pair that is defined; the headings and cells of the latter.

    Raises:
        TTameError: when a measurement is missing or broken.
    """
    pairs = [(backbone, method) for backbone in settings.backbones for method in settings.methods.all]
    rows = [_row(settings, *pair) for pair in pairs if _is_defined(settings, *pair)]
    folder = results_file(settings).parent
    write_text(folder / "cost.csv", pd.DataFrame(rows).to_csv(index=False, float_format="%.4g"))
    headings = ["Backbone", "Method", "ms per map", "Peak memory, MB", "Training images/s", "Batch", "Device"]
    cells = [
        [
            str(row["backbone"]),
            title(str(row["method"])),
            f"{1000 * float(row['seconds_per_image']):.2f}",
            f"{float(row['peak_memory_bytes']) / 1e6:.0f}",
            MISSING if row["training_images_per_second"] is None else f"{row['training_images_per_second']:.1f}",
            str(row["batch_size"]),
            str(row["device"]),
        ]
        for row in rows
    ]
    write_text(
        folder / "cost.md", INTRODUCTION.format(experiment=settings.experiment) + "\n" + markdown_table(headings, cells)
    )
    return headings, cells


def _is_defined(settings: Settings, backbone: str, method: str) -> bool:
    return is_defined(cost_file(settings, backbone, method, settings.methods.first_seed_of(method)))


def _row(settings: Settings, backbone: str, method: str) -> dict[str, Any]:
    """Of a trained method what its first seed took, since another may have run on another machine."""
    seed = settings.methods.first_seed_of(method)
    path = cost_file(settings, backbone, method, seed)
    try:
        with reading(path):
            row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        float(row["seconds_per_image"]), float(row["peak_memory_bytes"])
        str(row["batch_size"]), str(row["device"])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        raise TTameError(
            f"{path}: no such measurement; run `python -m {command_of('maps', backbone, method, seed)}` first"
        ) from None
    row |= {"backbone": backbone, "method": method, "training_images_per_second": None}
    speed = training_speed_file(settings, backbone, method, seed)
    if find(method).needs_training and speed.exists():
        try:
            with reading(speed):
                speeds = pd.read_csv(speed)["images_per_second"].astype(float)
        except (KeyError, ValueError):
            raise TTameError(
                f"{speed}: not a measurement; run `python -m {command_of('train', backbone, method, seed)}` again"
            ) from None
        if speeds.notna().any():  # an imported mechanism was trained elsewhere
            row["training_images_per_second"] = float(speeds.median())
    return row
