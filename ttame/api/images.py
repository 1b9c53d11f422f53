"""Images of the user's, as a classifier wants them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ttame.api.arguments import naming_arguments, refuse_other_model
from ttame.backbones.backbone import Backbone
from ttame.data.images import open_rgb, to_rgb
from ttame.data.transforms import Preprocessing, fit_image, to_bytes, to_unit_range
from ttame.errors import TTameError

Photo = Image.Image | str | os.PathLike[str]
Images = Tensor | Photo | Sequence[Tensor | Photo]
"""(B, 3, H, W) or (3, H, W) normalised, a picture, the path of one, or a list of these."""

FAR = 10.0
"""Beyond this in units of the pixel's range, [0, 1], an image was not normalised for this classifier."""


@dataclass(frozen=True)
class Batch:
    """Images in the classifier's precision and on its device.

    Attributes:
        pixels: (B, 3, H, W) in [0, 1]; of images that came normalised, with their normalisation undone.
        clean: (B, 3, H, W), normalised.
        names: of the files, with as many of their folders as tell them apart, and places in the list for what has
            none; they seed what is drawn for an image.
    """

    pixels: Tensor
    clean: Tensor
    names: list[str]

    def at(self, rows: slice) -> Batch:
        """Some of the images."""
        return Batch(self.pixels[rows], self.clean[rows], self.names[rows])


def load_images(paths: Photo | Sequence[Photo], model: Backbone) -> Tensor:
    """(B, 3, H, W) of one file or several: resized, cropped in the middle, normalised, on the device of the model.

    Raises:
        TTameError: naming a file that cannot be read.
    """
    refuse_other_model(model)
    return as_batch(paths, model, "paths").clean


def as_batch(images: Images, model: Backbone, argument: str = "images") -> Batch:
    """What a caller gives as images.

    Args:
        images: see `Images`; photos are resized and cropped in the middle.
        model: the classifier.
        argument: what the caller calls them.

    Raises:
        TTameError: naming the image, for one that cannot be read, of another size, not normalised, or not finite.
    """
    is_one = isinstance(images, Image.Image | str | os.PathLike) or (isinstance(images, Tensor) and images.ndim != 4)
    given: Any = [images] if is_one else images
    if not isinstance(given, Tensor | list | tuple):
        raise TTameError(f"{argument}: a {type(images).__name__}; expected {_expected(model)}")
    if not len(given):
        raise TTameError(f"{argument}: there is none; expected {_expected(model)}")
    if isinstance(given, Tensor):
        clean = _checked(given.clone() if given.is_inference() else given, model, argument)
        pixels, names = model.unnormalise(clean), [str(place) for place in range(len(given))]
    else:
        named = [argument if is_one else f"{argument}[{place}]" for place in range(len(given))]
        parts = [_read(image, model, where) for image, where in zip(given, named, strict=True)]
        pixels, clean = (torch.stack(found) for found in zip(*parts, strict=True))
        names = _names(given)
    packed = torch.channels_last  # in which a CPU is faster
    return Batch(pixels.contiguous(memory_format=packed), clean.contiguous(memory_format=packed), names)


def seen_by(photo: Photo, preprocessing: Preprocessing, argument: str) -> Image.Image:
    """The part of a photo that a classifier sees, at its input size.

    Raises:
        TTameError: for a photo that cannot be read.
    """
    if isinstance(photo, Image.Image):
        try:
            image = to_rgb(photo)
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise TTameError(f"{argument}: cannot be decoded ({' '.join(str(error).split())})") from None
    else:
        path = Path(photo)
        if path.is_dir():
            raise TTameError(f"{argument}: {path} is a folder; expected the file of an image")
        with naming_arguments(argument):
            image = open_rgb(path)
    return fit_image(image, preprocessing)


def _read(image: Any, model: Backbone, where: str) -> tuple[Tensor, Tensor]:
    """(3, H, W) in [0, 1], and the same normalised."""
    if isinstance(image, Tensor):
        if image.ndim != 3:
            raise TTameError(f"{where}: a tensor {tuple(image.shape)}; expected {_expected(model)}")
        clean = _checked(image[None], model, where)
        return model.unnormalise(clean)[0], clean[0]
    if not isinstance(image, Image.Image | str | os.PathLike):
        hint = "; make a picture of it with PIL.Image.fromarray" if hasattr(image, "__array__") else ""
        raise TTameError(f"{where}: a {type(image).__name__}; expected {_expected(model)}{hint}")
    like = next(model.parameters())
    pixels = to_unit_range(to_bytes(seen_by(image, model.preprocessing, where)).to(like.device), like.dtype)
    return pixels, model.normalise(pixels[None])[0]


def _checked(images: Tensor, model: Backbone, where: str) -> Tensor:
    """(B, 3, H, W) normalised images, in the model's precision and on its device."""
    rows, columns = model.preprocessing.input_size
    if not images.is_floating_point():
        raise TTameError(
            f"{where}: {images.dtype} pixels; expected normalised floating-point numbers, such as "
            "model.normalise(pixels / 255), or a PIL image or a path"
        )
    if images.shape[1:] != (3, rows, columns):
        raise TTameError(f"{where}: {tuple(images.shape)}; expected {_expected(model)}")
    broken = (~images.isfinite()).flatten(1).any(1).nonzero()
    if len(broken):
        which = where if len(images) == 1 else f"{where}: image {int(broken[0, 0])} of {len(images)}"
        raise TTameError(f"{which}: has values that are not finite (NaN or infinity); mend it or leave it out")
    clean = images.detach().to(next(model.parameters()))
    if model.unnormalise(clean).abs().amax() > FAR:
        raise TTameError(
            f"{where}: values up to {float(images.abs().amax()):.3g} are not normalised for {model.name}; expected "
            "model.normalise(pixels) of pixels in [0, 1], or a PIL image or a path"
        )
    return clean


def _names(images: Sequence[Any]) -> list[str]:
    """Those of files; of two in two folders `a/cat.png` and `b/cat.png`, since one name would be one image twice."""
    paths = {place: Path(image) for place, image in enumerate(images) if isinstance(image, str | os.PathLike)}
    namesakes: dict[str, set[Path]] = defaultdict(set)
    for path in paths.values():
        namesakes[path.name].add(path)
    return [
        _told_apart(paths[place], namesakes[paths[place].name]) if place in paths else str(place)
        for place in range(len(images))
    ]


def _told_apart(path: Path, namesakes: Set[Path]) -> str:
    """The shortest end of a path that no other one has."""
    length = 1
    while any(other != path and other.parts[-length:] == path.parts[-length:] for other in namesakes):
        length += 1
    return Path(*path.parts[-length:]).as_posix()


def _expected(model: Backbone) -> str:
    rows, columns = model.preprocessing.input_size
    return f"a normalised tensor (B, 3, {rows}, {columns}) or (3, {rows}, {columns}), a PIL image, a path, or a list"
