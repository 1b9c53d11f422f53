"""Maps over images, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ttame.store.artifacts import atomic_path

COLOUR_MAP = "inferno"  # perceptually even, and readable with any colour vision
OPACITY = 0.6


def class_name(names: Sequence[str] | Mapping[int, str] | None, index: int) -> str:
    """What a class is called in a picture, by its number where the classifier has no names."""
    return names[index] if names else f"class {index}"


def overlay(photo: NDArray[np.uint8], saliency: Tensor, opacity: float = OPACITY) -> NDArray[np.float64]:
    """The map in colour over the image in grey.

    Args:
        photo: (H, W, 3).
        saliency: (H, W) in [0, 1].
        opacity: of the colours, in [0, 1].

    Returns:
        (H, W, 3) in [0, 1].
    """
    colours = mpl.colormaps[COLOUR_MAP](saliency.numpy())[..., :3]
    grey = (photo / 255.0).mean(-1, keepdims=True)
    blended: NDArray[np.float64] = opacity * colours + (1 - opacity) * grey
    return blended


def draw_grid(
    path: Path, rows: Sequence[tuple[str, Sequence[NDArray[np.generic]]]], headings: Sequence[str], inches: float = 1.3
) -> None:
    """Write a PNG of rows of images, a name before each row and a heading above each column.

    Args:
        path: the file, written atomically.
        rows: name and (H, W, 3) images.
        headings: one for every column.
        inches: size of an image, at 100 pixels an inch.
    """
    columns = len(headings)
    figure = Figure(figsize=(inches * columns + 0.9, inches * len(rows) + 0.3), dpi=100, layout="compressed")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for (name, images), line in zip(rows, axes, strict=True):
        line[0].set_ylabel(name, fontsize=8)
        for image, panel in zip(images, line, strict=True):
            panel.imshow(image, interpolation="nearest")
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
    for heading, panel in zip(headings, axes[0], strict=True):
        panel.set_title(heading, fontsize=8)
    with atomic_path(path) as temporary:
        # No version or date in the file: the same maps give the same bytes.
        figure.savefig(temporary, format="png", metadata={"Software": None})
