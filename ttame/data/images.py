"""Image files to RGB, whatever was in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ttame.errors import TTameError, reason_of

_NOT_DECODED = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
"""Formats that Pillow knows and leaves to other programs."""


LONGEST = 500
"""Longer over shorter side of a picture: resizing the short side enlarges the long one with it."""


@cache
def suffixes() -> frozenset[str]:
    """The endings, in small letters, of the files that Pillow decodes."""
    Image.init()
    endings = Image.registered_extensions().items()
    return frozenset(ending for ending, form in endings if form in Image.OPEN and form not in _NOT_DECODED)


def open_rgb(path: Path) -> Image.Image:
    """Decode a file to an RGB image of 8 bits a channel.

    Grey, palette, CMYK and 16-bit images are converted, transparency is laid on white, and the orientation that a
    camera noted is applied.

    Raises:
        TTameError: naming the file, when it is missing, empty, truncated, no image, a mere line of pixels, or cannot be
            converted.
    """
    try:
        with Image.open(path) as image:
            return to_rgb(image)
    except FileNotFoundError:
        raise TTameError(f"{path}: no such image; mend the datalist or put the file there") from None
    except UnidentifiedImageError:
        size = path.stat().st_size
        kind = "an empty file" if size == 0 else "not an image that Pillow can read"
        raise TTameError(f"{path}: {kind}; replace it or take it out of the folder or datalist") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = reason_of(error)
        raise TTameError(
            f"{path}: cannot be decoded ({reason}); replace it or take it out of the folder or datalist"
        ) from None


def to_rgb(image: Image.Image) -> Image.Image:
    """An opened image as `open_rgb` gives it.

    Raises:
        ValueError, OSError, SyntaxError, EOFError: of Pillow, and for what cannot be converted or is a mere line.
    """
    _refuse_line(image)
    image.load()
    return _converted(ImageOps.exif_transpose(image))


def _refuse_line(image: Image.Image) -> None:
    if min(image.size) == 0:
        raise ValueError(f"{image.width} x {image.height} pixels")
    if max(image.size) > LONGEST * min(image.size):
        raise ValueError(f"{image.width} x {image.height} pixels, longer than {LONGEST} times its shorter side")


def _converted(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64)
        if grey.max(initial=0) > 65535 or grey.min(initial=0) < 0:
            raise ValueError("32-bit grey values outside 0..65535")
        return Image.fromarray(np.round(grey / 257.0).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        canvas = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(canvas, image).convert("RGB")
    return image.convert("RGB")
