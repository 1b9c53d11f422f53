"""Stage: a picture of the maps of every method over a few images of the evaluation list."""

from __future__ import annotations

import numpy as np
import torch

from ttame.data.sources import open_source
from ttame.data.transforms import center_crop, resize_shorter_side
from ttame.explainers.registry import title
from ttame.metrics.masking import saliency_map
from ttame.params.settings import Settings
from ttame.report.pictures import class_name, draw_grid, overlay
from ttame.store.maps_file import read_maps
from ttame.store.paths import figure_file, maps_file

IMAGES = 8


def run(settings: Settings, backbone_name: str) -> None:
    """Write the PNG: a column per image spread evenly over the list, a row per method."""
    source = open_source(settings.data, "evaluation")
    methods = settings.methods.all
    maps = {method: read_maps(maps_file(settings, backbone_name, method)) for method in methods}
    first = maps[methods[0]]
    names, preprocessing = first.names, first.preprocessing
    chosen = sorted(set(np.linspace(0, len(names) - 1, min(IMAGES, len(names))).round().astype(int).tolist()))
    photos = [
        np.asarray(center_crop(resize_shorter_side(source.load(names[index]), preprocessing), preprocessing))
        for index in chosen
    ]
    rows: list[tuple[str, list[np.ndarray]]] = [("Image", photos)]
    for method in methods:
        saliency = saliency_map(maps[method].maps[torch.tensor(chosen)], preprocessing.input_size)
        rows.append((title(method), [overlay(*pair) for pair in zip(photos, saliency, strict=True)]))
    labels = [class_name(first.class_names, int(first.targets[index])) for index in chosen]
    draw_grid(figure_file(settings, backbone_name), rows, labels)
