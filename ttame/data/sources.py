"""Where images come from: three sources behind one interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ttame.data import shapes
from ttame.data.images import SUFFIXES, open_rgb
from ttame.errors import TTameError
from ttame.settings import DataSettings, Split

UNKNOWN_LABEL = -1
Entry = tuple[str, int]
"""Name of an image within its source, and its annotated label or `UNKNOWN_LABEL`. No stage uses the label."""


class ImageSource(Protocol):
    """The images of one split."""

    def available(self) -> Sequence[Entry]:
        """Every image that a list may be drawn from, in an order that does not depend on the file system."""

    def load(self, name: str) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            TTameError: naming the image, when there is no such image or it cannot be decoded.
        """

    def object_mask(self, name: str) -> NDArray[np.bool_] | None:
        """(H, W) truth about where the evidence is, or None where there is none."""


class ShapesSource:
    """Rendered images; the name `shapes-<seed>-<index>` says all, so a list needs nothing beside it."""

    POOL = 100_000

    def __init__(self, seed: int, split: Split) -> None:
        self._seed = seed
        self._first = {"train": 0, "validation": 1, "evaluation": 2}[split] * self.POOL

    def available(self) -> Sequence[Entry]:
        # The label is known only after rendering, and nothing needs it.
        return [
            (f"shapes-{self._seed}-{index:06d}", UNKNOWN_LABEL) for index in range(self._first, self._first + self.POOL)
        ]

    def load(self, name: str) -> Image.Image:
        return Image.fromarray(self._render(name).pixels)

    def object_mask(self, name: str) -> NDArray[np.bool_]:
        return self._render(name).object_mask

    def _render(self, name: str) -> shapes.ShapesImage:
        prefix, _, numbers = name.partition("-")
        seed, _, index = numbers.partition("-")
        if prefix != "shapes" or not (seed.isdecimal() and index.isdecimal()):
            raise TTameError(f"{name}: not an image of the shapes data; expected shapes-<seed>-<index>")
        return _render(int(seed), int(index))


@lru_cache(maxsize=4096)
def _render(seed: int, index: int) -> shapes.ShapesImage:
    # 16 KB each: the next epoch need not render again.
    return shapes.render(seed, index)


class FolderSource:
    """Any folder of images, nested or not. Names are paths relative to it, with forward slashes."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise TTameError(f"{root}: no such folder; set data.roots in params.yaml to a folder of images")
        self._root = root

    def available(self) -> Sequence[Entry]:
        names = [
            Path(folder, file).relative_to(self._root).as_posix()
            for folder, _, files in os.walk(self._root, followlinks=True)
            for file in files
            if Path(file).suffix.lower() in SUFFIXES
        ]
        if not names:
            known = " ".join(sorted(SUFFIXES))
            raise TTameError(f"{self._root}: no image in this folder; expected files ending in {known}")
        return [(name, UNKNOWN_LABEL) for name in sorted(names)]

    def load(self, name: str) -> Image.Image:
        return open_rgb(self._root / self._with_suffix(name))

    def object_mask(self, name: str) -> None:
        return None

    @staticmethod
    def _with_suffix(name: str) -> str:
        # The published lists leave the ending of some files out.
        return name if Path(name).suffix.lower() in SUFFIXES else f"{name}.jpg"


class ILSVRCSource(FolderSource):
    """ILSVRC 2012: `ILSVRC2012_img_train/<wnid>/<file>.JPEG` and `ILSVRC2012_img_val/<file>.JPEG` below the root.

    Names in the published lists are relative to the split's own folder: `n01440764/n01440764_18.JPEG` for training
    images, `ILSVRC2012_val_00000293.JPEG` for the others.
    """

    def __init__(self, root: Path, split: Split) -> None:
        folder = root / ("ILSVRC2012_img_train" if split == "train" else "ILSVRC2012_img_val")
        if not folder.is_dir():
            raise TTameError(
                f"{folder}: no such folder; data.roots.{split} must be the folder that holds {folder.name}"
            )
        super().__init__(folder)


def open_source(data: DataSettings, split: Split) -> ImageSource:
    """The source of one split's images.

    Raises:
        TTameError: naming the folder that is missing.
    """
    if data.source == "shapes":
        return ShapesSource(data.seed, split)
    root = Path(data.roots[split] or "").expanduser()
    return FolderSource(root) if data.source == "folder" else ILSVRCSource(root, split)
