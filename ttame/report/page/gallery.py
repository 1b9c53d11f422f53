"""The images of the gallery: which are shown, and each with its maps and scores in few bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from ttame.explainers.registry import find, title
from ttame.metrics.masking import normalise_map
from ttame.report.evaluation import Evaluation
from ttame.store.seeds import first_seed

GRID = 28
"""Rows and columns of a map in the page; the browser enlarges it."""

JPEG_QUALITY = 80


TOGETHER = 64
"""Images that are compared at a time."""
CANDIDATES = 1000
"""Images at most, spread evenly over the list, that the gallery's are chosen from."""


def agreement(maps: Mapping[str, Tensor]) -> NDArray[np.float64]:
    """Mean correlation of the maps of every two methods, controls aside.

    Args:
        maps: of every method, (N, 28, 28) of `small_maps`.

    Returns:
        (N,) in [-1, 1]; 1 where there is one method. A constant map has a correlation of 0 with any other.
    """
    compared = [of for method, of in maps.items() if find(method).kind != "control"]
    if len(compared) < 2:
        return np.ones(len(next(iter(maps.values()))))
    of_image = torch.stack(compared, dim=1).flatten(2)
    return torch.cat([_mean_correlation(maps) for maps in of_image.split(TOGETHER)]).numpy()


def _mean_correlation(maps: Tensor) -> Tensor:
    """(B,) of (B, M, P), over all pairs of the M."""
    flat = maps.double()
    centred = flat - flat.mean(2, keepdim=True)
    unit = centred / centred.norm(dim=2, keepdim=True).clamp(min=1e-12)
    count = maps.shape[1]
    return ((unit @ unit.transpose(1, 2)).sum((1, 2)) - unit.square().sum((1, 2))) / (count * (count - 1))


def small_maps(raw_maps: Tensor) -> Tensor:
    """(N, h, w) raw maps to (N, 28, 28) in [0, 1], by area where they are finer and bilinear where they are coarser."""
    normalised = normalise_map(raw_maps)[:, None]
    if min(raw_maps.shape[1:]) >= GRID:
        return functional.adaptive_avg_pool2d(normalised, GRID)[:, 0]
    return functional.interpolate(normalised, (GRID, GRID), mode="bilinear", align_corners=False)[:, 0]


def spread(values: NDArray[np.float64], count: int) -> list[int]:
    """Up to `count` places spread evenly over the ranks of the values, lowest and highest among them."""
    order = np.argsort(values, kind="stable")
    ranks = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(order[rank]) for rank in sorted(set(ranks.tolist()))]


def gallery_of(
    evaluation: Evaluation,
    places: Sequence[int],
    maps: Mapping[str, Tensor],
    photos: Mapping[int, Image.Image | None],
    classes: Mapping[int, str],
) -> dict[str, Any]:
    """What the page's script draws for one backbone.

    Args:
        evaluation: the scores of its methods.
        places: in the list, of the N images that the shown ones were chosen from.
        maps: of every method, (N, 28, 28) of `small_maps`, of a trained one those of its first seed.
        photos: the shown images by their number among these N, at the classifier's crop; None where one is gone.
        classes: names of the targets, by number.
    """
    found = agreement(maps)
    low, high = np.quantile(found, [1 / 3, 2 / 3])
    cells = {method: (255 * of).round().byte().numpy() for method, of in maps.items()}
    scores = {method: first_seed(table) for method, table in evaluation.scores.items()}
    first = next(iter(scores.values()))
    images = [
        {
            "name": str(first["name"].iloc[places[number]]),
            "class": classes[number],
            "probability": round(float(first["probability"].iloc[places[number]]), 4),
            "agreement": "agree" if found[number] >= high else "disagree" if found[number] <= low else "between",
            "correlation": round(float(found[number]), 2),
            "photo": None if photo is None else _data_uri(photo),
            "maps": {method: base64.b64encode(cells[method][number].tobytes()).decode() for method in scores},
            "scores": {method: _scores(table.iloc[places[number]], evaluation) for method, table in scores.items()},
        }
        for number, photo in photos.items()
    ]
    return {"titles": {method: title(method) for method in scores}, "grid": GRID, "images": images}


def _scores(row: pd.Series[Any], evaluation: Evaluation) -> dict[str, Any]:
    metrics = evaluation.metrics
    steps = range(metrics.insertion_deletion.steps + 1)
    return {
        "masked": {str(share): round(float(row[f"probability_{share}"]), 4) for share in metrics.shares},
        "morf": {str(share): bool(row[f"road_morf_{share}"]) for share in metrics.road.shares},
        "lerf": {str(share): bool(row[f"road_lerf_{share}"]) for share in metrics.road.shares},
        "deletion": [round(float(row[f"deletion_{step}"]), 3) for step in steps],
        "insertion": [round(float(row[f"insertion_{step}"]), 3) for step in steps],
    }


def _data_uri(photo: Image.Image) -> str:
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
