"""Where images come from: three sources behind one interface."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ttame.data import shapes
from ttame.data.folders import exists, files_below, fits_a_list, is_of_the_system, real_path
from ttame.data.images import open_rgb, suffixes
from ttame.data.sample import Parts
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import Split

UNKNOWN_LABEL = -1
Entry = tuple[str, int]
"""Name of an image within its source, and its annotated label or `UNKNOWN_LABEL`. No stage uses the label."""


class ImageSource(Protocol):
    """The images of one split."""

    def available(self) -> Sequence[Entry]:
        """Every image that a list may be drawn from, in an order that does not depend on the file system."""

    def refuse_missing(self, names: Sequence[str], where: str) -> None:
        """Check that there are such images, without opening them; `where` names the list.

        Raises:
            TTameError: naming the first that is missing, how many there are, and how to mend it.
        """

    def identity(self, name: str) -> str:
        """The same for all names of one image within all splits: its real path, where it is a file."""

    def load(self, name: str) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            TTameError: naming the image, when there is no such image or it cannot be decoded.
        """

    def object_mask(self, name: str) -> NDArray[np.bool_] | None:
        """(H, W) truth about where the evidence is, or None where there is none."""

    def parts(self, name: str) -> Parts | None:
        """What the image is made of, or None where it cannot be drawn again without a part."""


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

    def refuse_missing(self, names: Sequence[str], where: str) -> None:
        """Nothing is missing that can be rendered."""

    def identity(self, name: str) -> str:
        return name

    def load(self, name: str) -> Image.Image:
        return Image.fromarray(self._render(name).pixels)

    def object_mask(self, name: str) -> NDArray[np.bool_]:
        return self._render(name).object_mask

    def parts(self, name: str) -> Parts:
        image = self._render(name)
        numbers = range(1, image.part_count + 1)
        pixels = np.stack([image.parts == part for part in numbers])
        return Parts(pixels, [Image.fromarray(self._render(name, without=part).pixels) for part in numbers])

    def _render(self, name: str, without: int | None = None) -> shapes.ShapesImage:
        prefix, _, numbers = name.partition("-")
        seed, _, index = numbers.partition("-")
        if prefix != "shapes" or not (seed.isdecimal() and index.isdecimal()):
            raise TTameError(f"{name}: not an image of the shapes data; expected shapes-<seed>-<index>")
        return _render(int(seed), int(index), without)


@lru_cache(maxsize=4096)
def _render(seed: int, index: int, without: int | None) -> shapes.ShapesImage:
    # 20 KB each: the next epoch need not render again.
    return shapes.render(seed, index, without)


class FolderSource:
    """Any folder of images, nested or not. Names are paths relative to it, with forward slashes."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise TTameError(f"{root}: no such folder; set data.roots in params.yaml to a folder of images")
        self._root = root

    def available(self) -> Sequence[Entry]:
        """Every file whose ending Pillow knows; what else is there is counted in a warning.

        Raises:
            TTameError: when there is no image, or a folder cannot be listed.
        """
        files = [name for name in files_below(self._root) if not is_of_the_system(name)]
        images = [name for name in files if Path(name).suffix.lower() in suffixes()]
        names = [name for name in images if fits_a_list(name)]
        others = [name for name in files if Path(name).suffix.lower() not in suffixes()]
        unfit = [name for name in images if not fits_a_list(name)]
        for what, left_out in (
            ("files have no ending of an image", others),
            ("images have names that no list can hold (a line break, a blank at an end, or no UTF-8)", unfit),
        ):
            if left_out:
                _warn(f"{self._root}: {len(left_out)} {what}, {min(left_out)!a} for one; they are left out")
        if not names:
            raise TTameError(
                f"{self._root}: no image in this folder; expected files ending in .jpg, .png or another ending that "
                "Pillow opens"
            )
        return [(name, UNKNOWN_LABEL) for name in sorted(names)]

    def refuse_missing(self, names: Sequence[str], where: str) -> None:
        missing = [name for name in names if not exists(self._path(name))]
        if not missing:
            return
        tail = next((tail for tail in _tails(missing[0]) if exists(self._path(tail))), None)
        mend = (
            f"paths are relative to that folder, as in {tail}"
            if tail
            else "put them there, or mend the list or data.roots"
        )
        raise TTameError(
            f"{where}: {len(missing)} of {len(names)} images are not in {self._root}, {missing[0]} for one; {mend}"
        )

    def load(self, name: str) -> Image.Image:
        return open_rgb(self._path(name))

    def object_mask(self, name: str) -> None:
        return None

    def parts(self, name: str) -> None:
        return None

    def identity(self, name: str) -> str:
        return real_path(self._path(name))

    def _path(self, name: str) -> Path:
        path = self._root / name
        if path.suffix.lower() in suffixes() or exists(path):
            return path
        # The published lists leave the ending of some files out.
        return self._root / f"{name}.jpg"


@cache
def _warn(line: str) -> None:
    # Once, though three splits may list one folder.
    print(f"warning: {line}", file=sys.stderr)


def _tails(name: str) -> list[str]:
    """`a/b/c` without its first folders: `b/c` and `c`."""
    parts = Path(name).parts
    return [str(Path(*parts[start:])) for start in range(1, len(parts))]


class ILSVRCSource(FolderSource):
    """ILSVRC 2012: `ILSVRC2012_img_train/<wnid>/<file>.JPEG` and `ILSVRC2012_img_val/<file>.JPEG` below the root.

    Names in the published lists are relative to the split's own folder: `n01440764/n01440764_18.JPEG` for training
    images, `ILSVRC2012_val_00000293.JPEG` for the others.
    """

    CLASSES = 1000

    def __init__(self, root: Path, split: Split) -> None:
        folder = root / ("ILSVRC2012_img_train" if split == "train" else "ILSVRC2012_img_val")
        if not folder.is_dir():
            raise TTameError(
                f"{folder}: no such folder; data.roots.{split} must be the folder that holds {folder.name}"
            )
        super().__init__(folder)
        self._split = split

    def available(self) -> Sequence[Entry]:
        """As for any folder, once it is unpacked.

        Raises:
            TTameError: when archives of classes are still packed, or folders of classes are empty.
        """
        if self._split == "train":
            self._refuse_half_unpacked()
        return super().available()

    def _refuse_half_unpacked(self) -> None:
        packed = sorted(path.name for path in self._root.glob("*.tar"))
        packed = [name for name in packed if not (self._root / name.removesuffix(".tar")).is_dir()]
        folders = [path for path in self._root.iterdir() if path.is_dir()]
        empty = sorted(path.name for path in folders if next(path.iterdir(), None) is None)
        for what, names in (("archives of classes are not unpacked", packed), ("folders of classes are empty", empty)):
            if names:
                raise TTameError(f"{self._root}: {len(names)} {what}, {names[0]} for one; unpack them into n<number>/")
        if len(folders) < self.CLASSES:
            print(
                f"warning: {self._root}: {len(folders)} of the {self.CLASSES} folders of classes are there",
                file=sys.stderr,
            )


def open_source(data: DataSettings, split: Split) -> ImageSource:
    """The source of one split's images.

    Raises:
        TTameError: naming the folder that is missing.
    """
    if data.source == "shapes":
        return ShapesSource(data.seed, split)
    text = data.roots[split] or ""
    try:
        root = Path(text).expanduser()
    except RuntimeError:
        raise TTameError(f"{text}: there is no such user; mend data.roots.{split} in params.yaml") from None
    return FolderSource(root) if data.source == "folder" else ILSVRCSource(root, split)
