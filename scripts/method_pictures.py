"""The pictures of the methods' pages: every method on the same three images of the embedded data.

    python -m ttame use shapes_pictures
    snakemake --cores all --until train
    python -m scripts.method_pictures

writes into `docs/pictures/`: a row an image; the image, its map on the CNN, its map on the transformer. A learned
method is drawn where the active experiment has trained it; where it has not, an earlier picture stays.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from scripts.site.methods import picture_of
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.data.shapes import IMAGE_SIZE, ShapesImage, render
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import EXPLAINERS
from ttame.metrics.masking import saliency_map
from ttame.params.active import load_settings
from ttame.params.settings import Settings
from ttame.report.pictures import overlay
from ttame.store.artifacts import atomic_path
from ttame.store.paths import checkpoint_file

SEED, IMAGES = 3, (0, 1, 2)
"""The first of a seed that no list has."""
BACKBONES = ("shapes_cnn", "shapes_vit")
SIDE, GAP = 144, 6
OPTIONS = {"rise": {"masks": 2000}}
"""Where the default is for larger images."""

Pixels = NDArray[np.uint8]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw what can be drawn, and say what cannot."""
    parser = argparse.ArgumentParser(prog="python -m scripts.method_pictures", description=__doc__)
    parser.add_argument("methods", nargs="*", help="a few of them (default: all)")
    methods = parser.parse_args(arguments).methods or list(EXPLAINERS)
    settings = load_settings(Path("params.yaml"))
    images = [render(SEED, index) for index in IMAGES]
    backbones = [load_backbone(name, settings.models[name]) for name in BACKBONES]
    for method in methods:
        columns = [list(_maps(settings, method, backbone, images)) for backbone in backbones]
        if any(columns):
            _write(picture_of(method), images, [column for column in columns if column])
        else:
            print(f"{method}: is not trained in the active experiment, so it has no picture")


def _maps(settings: Settings, method: str, backbone: Backbone, images: Sequence[ShapesImage]) -> Iterator[Pixels]:
    """(H, W, 3) of every image; none where the method is not defined or not trained."""
    entry, checkpoint = EXPLAINERS[method], None
    if ("transformer" if backbone.is_transformer else "CNN") not in entry.works_on:
        return
    if entry.needs_training:
        checkpoint = checkpoint_file(settings, backbone.name, method, settings.methods.seeds[0])
        if not checkpoint.exists():
            return
    explainer = make_explainer(method, backbone, OPTIONS.get(method), checkpoint)
    pixels = torch.from_numpy(np.stack([image.pixels for image in images])).permute(0, 3, 1, 2)
    batch = backbone.normalise(pixels / 255)
    samples = [Sample(f"shapes-{SEED}-{index}", image.object_mask) for index, image in zip(IMAGES, images, strict=True)]
    with torch.no_grad():
        targets = backbone(batch).argmax(1)
    saliency = saliency_map(explainer(batch, targets, samples).detach(), (IMAGE_SIZE, IMAGE_SIZE))
    for image, of_image in zip(images, saliency, strict=True):
        yield np.round(255 * overlay(image.pixels, of_image)).astype(np.uint8)


def _write(path: Path, images: Sequence[ShapesImage], columns: Sequence[Sequence[Pixels]]) -> None:
    """Rows of images and maps, enlarged."""
    everything = [[image.pixels for image in images], *columns]
    step = SIDE + GAP
    sheet = Image.new("RGB", (step * len(everything) - GAP, step * len(images) - GAP), "white")
    for place, column in enumerate(everything):
        for row, picture in enumerate(column):
            enlarged = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (step * place, step * row))
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="webp", quality=70, method=6)


if __name__ == "__main__":
    main()
