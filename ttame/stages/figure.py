"""Stage: a picture of the maps of every method over a few images of the evaluation list."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from ttame.artifacts import atomic_path
from ttame.backbones.loading import load_backbone
from ttame.data.sources import open_source
from ttame.data.transforms import center_crop, resize_shorter_side
from ttame.explainers.registry import title
from ttame.metrics.masking import normalise_map, resize_map
from ttame.settings import Settings
from ttame.stages.maps_file import read_maps
from ttame.stages.paths import figure_file, maps_file

IMAGES = 8
COLOUR_MAP = "inferno"  # perceptually even, and readable with any colour vision
OPACITY = 0.6


def run(settings: Settings, backbone_name: str) -> None:
    """Write the PNG: a column per image spread evenly over the list, a row per method."""
    backbone = load_backbone(backbone_name, settings.models[backbone_name])
    source = open_source(settings.data, "evaluation")
    methods = settings.methods.of(backbone_name)
    maps = {method: read_maps(maps_file(settings, backbone_name, method)) for method in methods}
    names = maps[methods[0]].names
    chosen = sorted(set(np.linspace(0, len(names) - 1, min(IMAGES, len(names))).round().astype(int).tolist()))
    preprocessing = backbone.preprocessing
    photos = [
        np.asarray(center_crop(resize_shorter_side(source.load(names[index]), preprocessing), preprocessing))
        for index in chosen
    ]
    rows: list[tuple[str, list[np.ndarray]]] = [("Image", photos)]
    for method in methods:
        saliency = resize_map(normalise_map(maps[method].maps[torch.tensor(chosen)]), preprocessing.input_size)
        rows.append((title(method), [_overlay(*pair) for pair in zip(photos, saliency, strict=True)]))
    labels = [_class_name(backbone.class_names, int(maps[methods[0]].targets[index])) for index in chosen]
    _draw(figure_file(settings, backbone_name), rows, labels)


def _overlay(photo: np.ndarray, saliency: Tensor) -> np.ndarray:
    """(H, W, 3) in [0, 1]: the map in colour over the image in grey."""
    colours = matplotlib.colormaps[COLOUR_MAP](saliency.numpy())[..., :3]
    grey = (photo / 255.0).mean(-1, keepdims=True)
    blended: np.ndarray = OPACITY * colours + (1 - OPACITY) * grey
    return blended


def _class_name(names: tuple[str, ...] | None, label: int) -> str:
    return names[label] if names else f"class {label}"


def _draw(path: Path, rows: list[tuple[str, list[np.ndarray]]], labels: list[str]) -> None:
    columns = len(labels)
    figure = Figure(figsize=(1.3 * columns + 0.9, 1.3 * len(rows) + 0.3), dpi=100, layout="compressed")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (name, images), line in zip(rows, axes, strict=True):
        line[0].set_ylabel(name, fontsize=8)
        for image, panel in zip(images, line, strict=True):
            panel.imshow(image, interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
    for label, panel in zip(labels, axes[0], strict=True):
        panel.set_title(label, fontsize=8)
    with atomic_path(path) as temporary:
        # No version or date in the file: the same maps give the same bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})
