"""Stage: the tables of an experiment, from the scores of all methods."""

from __future__ import annotations

import pandas as pd

from ttame.artifacts import write_text
from ttame.data.datalists import read_names
from ttame.errors import TTameError
from ttame.explainers.registry import title
from ttame.report.aggregate import comparison, seen_in_training
from ttame.report.markdown import comparison_columns, methods_table, road_columns
from ttame.settings import Settings
from ttame.stages.paths import list_file, results_file, scores_file

LEGEND = """\
AD, average drop (lower is better), and IC, increase in confidence (higher is better), in percent, when only the most
salient share of the image, {shares} %, is kept. ROAD: percent of the images still classified the same after removing
the most (MoRF, lower is better) or least (LeRF, higher is better) relevant pixels, mean over the shares. Forward and
backward passes are counted, per map. Every method explains the model truth, the class that the frozen classifier
gives the clean image.
"""
SEEN = """\
A trained mechanism has no trained map for a class that was never a model truth in its training: that is the share
*Untrained %* above. The same comparison on the images whose class was seen, for every method:
"""


def run(settings: Settings) -> None:
    """Write `results.csv` and `results.md`.

    Raises:
        TTameError: when scores are missing, or are not of the images in the evaluation list.
    """
    names = read_names(list_file(settings, "evaluation"))
    shares = ", ".join(str(share) for share in settings.metrics.shares)
    sections = [f"# Results of `{settings.experiment}`\n", LEGEND.format(shares=shares)]
    rows = []
    for backbone in settings.backbones:
        scores = {method: _read(settings, backbone, method, names) for method in settings.methods.of(backbone)}
        table = comparison(scores, settings.metrics)
        rows.append(_csv_rows(backbone, "all", table))
        sections += _section(settings, backbone, table)
        seen = seen_in_training(scores, settings.methods.trained_of(backbone))
        if seen is not None:
            table = comparison(seen, settings.metrics)
            rows.append(_csv_rows(backbone, "seen in training", table))
            count = len(next(iter(seen.values())))
            sections += [SEEN + f"\n{count} of {len(names)} images\n", _main_table(settings, table)]
    folder = results_file(settings).parent
    write_text(folder / "results.csv", pd.concat(rows).to_csv(index=False, float_format="%.6g"))
    write_text(results_file(settings), "\n".join(sections))


def _read(settings: Settings, backbone: str, method: str, names: list[str]) -> pd.DataFrame:
    path = scores_file(settings, backbone, method)
    try:
        scores = pd.read_parquet(path)
    except FileNotFoundError:
        raise TTameError(f"{path}: no such scores; run `python -m ttame scores {backbone} {method}` first") from None
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


def _section(settings: Settings, backbone: str, table: pd.DataFrame) -> list[str]:
    images = int(table["images"].iloc[0])
    return [
        f"## {backbone}\n",
        f"{images} images\n",
        _main_table(settings, table),
        *_left_out(settings, backbone),
        f"![Maps of every method on {backbone}](../figures/{backbone}.png)\n",
        "ROAD by share of removed pixels:\n",
        methods_table(table, road_columns(settings.metrics)),
    ]


def _left_out(settings: Settings, backbone: str) -> list[str]:
    """One line for the methods that are not defined on this backbone."""
    missing = [title(method) for method in settings.methods.all if method not in settings.methods.of(backbone)]
    return [f"Defined on transformers alone, so left out here: {', '.join(missing)}.\n"] if missing else []


def _main_table(settings: Settings, table: pd.DataFrame) -> str:
    return methods_table(table, comparison_columns(settings.metrics))


def _csv_rows(backbone: str, images: str, table: pd.DataFrame) -> pd.DataFrame:
    rows = table.rename_axis("method").reset_index()
    rows.insert(0, "backbone", backbone)
    rows.insert(2, "subset", images)
    return rows
