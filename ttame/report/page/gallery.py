"""The images of the gallery, each with its maps and scores in few bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ttame.explainers.registry import find, title
from ttame.measures.column import Column
from ttame.report.evaluation import Evaluation
from ttame.report.page.candidates import Candidates, pictured_images
from ttame.report.page.likeness import GRID
from ttame.report.page.standing import Standing, ordered, pictured_methods
from ttame.store.seeds import first_seed

JPEG_QUALITY = 80
CANDIDATES = 1000
"""Images at most, spread evenly over the list, that the gallery's are chosen from."""


def gallery_of(
    evaluation: Evaluation,
    standing: Standing,
    candidates: Candidates,
    photos: Mapping[int, Image.Image | None],
    classes: Mapping[int, str],
) -> dict[str, Any]:
    """What the page's script draws for one backbone.

    Args:
        evaluation: the scores of its methods.
        standing: theirs.
        candidates: that the shown images were chosen from.
        photos: the shown images by their number among these, at the classifier's crop; None where one is gone.
        classes: names of the targets, by number.
    """
    images = _images(evaluation, candidates, photos, classes)
    reference = evaluation.report.reference
    order = sorted(ordered(evaluation, standing), key=lambda method: method != reference)
    return {
        "titles": {method: title(method) for method in order},
        "kinds": {method: find(method).kind for method in order},
        "measures": [
            {"key": column.key, "title": column.heading, "better": column.better, "decimals": column.decimals}
            for column in candidates.columns
        ],
        "sharpest": None if candidates.sharpest is None else candidates.sharpest.key,
        "reference": reference if reference in evaluation.scores else None,
        "grid": GRID,
        "images": images,
        "picture": {
            "images": pictured_images(images),
            "methods": pictured_methods(standing, reference),
            "leader": standing.leader,
            "measures": len(standing.columns),
            "leads": {str(method): int(leads) for method, leads in standing.table["leads"].items()},
        },
    }


def _images(
    evaluation: Evaluation,
    candidates: Candidates,
    photos: Mapping[int, Image.Image | None],
    classes: Mapping[int, str],
) -> list[dict[str, Any]]:
    """Every shown image: what it is, and of every method its map and scores."""
    low, high = np.quantile(candidates.agreement, [1 / 3, 2 / 3])
    cells = {method: (255 * of).round().byte().numpy() for method, of in candidates.maps.items()}
    places = [candidates.places[number] for number in photos]
    # Of one method after the other, since the scores of many images are not all in memory at a time.
    tables = {method: first_seed(table).iloc[places] for method, table in evaluation.scores.items()}
    first = next(iter(tables.values()))
    images = []
    for row, (number, photo) in enumerate(photos.items()):
        agree = float(candidates.agreement[number])
        image = {
            "name": str(first["name"].iloc[row]),
            "class": classes[number],
            "probability": round(float(first["probability"].iloc[row]), 4),
            "agreement": "agree" if agree >= high else "disagree" if agree <= low else "between",
            "correlation": round(agree, 2),
            "photo": None if photo is None else _data_uri(photo),
            "maps": {method: base64.b64encode(cells[method][number].tobytes()).decode() for method in tables},
            "scores": {method: _scores(table.iloc[row], evaluation) for method, table in tables.items()},
            "qualities": {
                method: _row(table.iloc[number], candidates.columns) for method, table in candidates.scores.items()
            },
        }
        images.append(image)
    return images


def _row(values: pd.Series[Any], columns: Sequence[Column]) -> list[float | None]:
    """As exact as the page shows it."""
    present = [values.get(column.key) for column in columns]
    return [
        None if value is None or pd.isna(value) else round(float(value), column.decimals)
        for value, column in zip(present, columns, strict=True)
    ]


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
