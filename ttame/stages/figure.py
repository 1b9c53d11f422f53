"""Stage: a picture of the maps of every method over a few images of the evaluation list."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from ttame.data.contents import open_checked
from ttame.data.transforms import fit_image
from ttame.errors import NotDefined, TTameError
from ttame.explainers.registry import title
from ttame.metrics.masking import saliency_map
from ttame.params.settings import Settings
from ttame.report.pictures import class_name, draw_grid, overlay
from ttame.store.origin import read_checked_maps
from ttame.store.paths import contents_file, figure_file

IMAGES = 8


def run(settings: Settings, backbone_name: str) -> None:
    """Write the PNG: a column per image spread evenly over the list, a row per method, of a trained one seed."""
    source = open_checked(settings.data, "evaluation", contents_file(settings, "evaluation"))
    maps = {}
    for method in settings.methods.all:
        with suppress(NotDefined):
            seed = settings.methods.first_seed_of(method)
            maps[method] = read_checked_maps(settings, backbone_name, method, seed)
    if not maps:
        raise TTameError(f"methods: none of them is defined on {backbone_name}; add one that is")
    first = next(iter(maps.values()))
    names, preprocessing = first.names, first.preprocessing
    chosen = sorted(set(np.linspace(0, len(names) - 1, min(IMAGES, len(names))).round().astype(int).tolist()))
    photos = [np.asarray(fit_image(source.load(names[index]), preprocessing)) for index in chosen]
    rows: list[tuple[str, list[np.ndarray]]] = [("Image", photos)]
    for method, found in maps.items():
        saliency = saliency_map(found.at(chosen).maps, preprocessing.input_size)
        rows.append((title(method), [overlay(*pair) for pair in zip(photos, saliency, strict=True)]))
    labels = [class_name(first.class_names, int(first.targets[index])) for index in chosen]
    draw_grid(figure_file(settings, backbone_name), rows, labels)
