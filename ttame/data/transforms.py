"""From a decoded image to what a classifier expects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

_INTERPOLATION = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocessing:
    """How a classifier wants its images.

    Attributes:
        input_size: (height, width) in pixels.
        resize: shorter side before cropping, in pixels.
        interpolation: `bilinear` or `bicubic`.
        mean, std: per channel, on pixels in [0, 1].
    """

    input_size: tuple[int, int]
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def resize_shorter_side(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Resize so that the shorter side is `resize` pixels, or more where the input would not fit in; shape kept."""
    width, height = image.size
    rows, columns = preprocessing.input_size
    scale = max(preprocessing.resize / min(width, height), columns / width, rows / height)
    size = (round(width * scale), round(height * scale))
    return image if size == image.size else image.resize(size, _INTERPOLATION[preprocessing.interpolation])


def center_crop(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The middle of a resized image, of the input size."""
    rows, columns = preprocessing.input_size
    left, top = (image.width - columns) // 2, (image.height - rows) // 2
    return image.crop((left, top, left + columns, top + rows))


def fit_image(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """The part of an image that a classifier sees, at its input size: resized, and the middle cut out."""
    return center_crop(resize_shorter_side(image, preprocessing), preprocessing)


def fit_mask(mask: NDArray[np.bool_], preprocessing: Preprocessing) -> NDArray[np.bool_]:
    """A mask of an image's own size as the classifier sees it: (H, W) bool to (rows, columns) of the input."""
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(fit_image(image, preprocessing)) > 127


def random_crop_and_flip(image: Image.Image, preprocessing: Preprocessing, random: np.random.Generator) -> Image.Image:
    """A random window of the input size, mirrored with probability one half."""
    rows, columns = preprocessing.input_size
    left = int(random.integers(image.width - columns + 1))
    top = int(random.integers(image.height - rows + 1))
    crop = image.crop((left, top, left + columns, top + rows))
    return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.uniform() < 0.5 else crop


def to_bytes(image: Image.Image) -> Tensor:
    """(3, H, W) uint8."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def to_unit_range(pixels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 pixels to floating-point numbers in [0, 1]."""
    return pixels.to(dtype) / 255.0
