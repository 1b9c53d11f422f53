"""How a processor of transformers prepares images, as a `Preprocessing`: asked of the processor itself.

Classes of processors have rules of their own for sizes and scales. What decides is what comes out, so a few images go
in: black and white for mean and std, a ramp for the size before the crop, colours for the check.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ttame.data.transforms import Preprocessing, fit_image

INTERPOLATIONS = {"BILINEAR": "bilinear", "BICUBIC": "bicubic", "LANCZOS": "bicubic"}
"""Lanczos is taken as bicubic, its nearest of the two."""

TOLERANCE = 0.02
"""Mean difference of pixels in [0, 1] between theirs and ours, on a smooth square image; 8 bits round by 0.002."""

Floats = NDArray[np.float64]
Three = tuple[float, float, float]


def read_preprocessing(processor: Any) -> Preprocessing:
    """The same preparation in the words of ttame.

    Of a square image it is the same. Of another, a processor that squashes it into its square, or keeps its shape and
    does not crop, is read as one that resizes the shorter side and crops the middle: maps are compared on undistorted
    images of one size.

    Raises:
        ValueError: when no `Preprocessing` does what the processor does.
    """
    black, white = (_prepare(processor, np.full((512, 512, 3), value, np.uint8)) for value in (0, 255))
    lowest, highest = black.mean((1, 2)), white.mean((1, 2))
    if float(np.ptp(black, (1, 2)).max()) > 1e-3 or float((highest - lowest).min()) <= 0:
        raise ValueError("it does not scale every pixel in the same way")
    mean = _three(-lowest / (highest - lowest), getattr(processor, "image_mean", None))
    std = _three(1 / (highest - lowest), getattr(processor, "image_std", None))
    size = (black.shape[1], black.shape[2])
    about = Preprocessing(size, _resize(processor, mean, std), _interpolation(processor), mean, std)
    return _confirm(processor, about)


def _prepare(processor: Any, pixels: NDArray[np.uint8]) -> Floats:
    """(3, H, W) of one (rows, columns, 3) image."""
    given = processor(images=[Image.fromarray(pixels)], return_tensors="np")
    found = np.asarray(given["pixel_values"], dtype=np.float64)
    if found.ndim != 4 or found.shape[:2] != (1, 3):
        raise ValueError(f"it gives pixel_values of {found.shape}; expected (1, 3, rows, columns)")
    return found[0]


def _in_unit_range(processor: Any, pixels: NDArray[np.uint8], mean: Three, std: Three) -> Floats:
    """What is prepared, (3, H, W), before mean and std."""
    return _prepare(processor, pixels) * np.reshape(std, (3, 1, 1)) + np.reshape(mean, (3, 1, 1))


def _resize(processor: Any, mean: Three, std: Three) -> int:
    """The shorter side before the crop, within a few pixels: that at which a ramp gets as steep as it does here."""
    side = 512
    ramp = np.linspace(0, 255, side).round().astype(np.uint8)
    prepared = _in_unit_range(processor, np.broadcast_to(ramp[None, :, None], (side, side, 3)).copy(), mean, std)
    columns = prepared.mean((0, 1))
    inner = columns[len(columns) // 8 : len(columns) - len(columns) // 8]
    slope = float(np.polyfit(np.arange(len(inner)), inner, 1)[0])
    if slope <= 0:
        raise ValueError("it mirrors images")
    return round(side / (side - 1) / slope)


def _interpolation(processor: Any) -> str:
    resample = getattr(processor, "resample", None)
    name = Image.Resampling(resample).name if isinstance(resample, int) else str(getattr(resample, "name", resample))
    if name not in INTERPOLATIONS:
        raise ValueError(f"it resizes with {name.lower()}; expected bilinear, bicubic or lanczos")
    return INTERPOLATIONS[name]


def _confirm(processor: Any, about: Preprocessing) -> Preprocessing:
    """The resize near `about` that gives the same pixels, and other colours, edges and sizes refused."""
    cells = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    candidates = [replace(about, resize=max(about.resize + step, *about.input_size)) for step in range(-3, 4)]
    for side in (700, 300):
        image = Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC)
        theirs = _in_unit_range(processor, np.asarray(image), about.mean, about.std)
        if theirs.shape[1:] != about.input_size:
            raise ValueError("the size that it gives depends on the image")
        differences = [float(np.abs(theirs - _ours(image, candidate)).mean()) for candidate in candidates]
        if min(differences) > TOLERANCE:
            raise ValueError("it does more than resize, crop and scale")
        candidates = [candidates[int(np.argmin(differences))]]
    return candidates[0]


def _ours(image: Image.Image, preprocessing: Preprocessing) -> Floats:
    crop = np.asarray(fit_image(image, preprocessing))
    return crop.transpose(2, 0, 1) / 255


def _three(measured: Floats, written: Any) -> Three:
    """What the processor says it uses, where that is what it does; else what it does, in single precision."""
    if isinstance(written, list | tuple) and len(written) == 3 and np.allclose(written, measured, atol=1e-6):
        return float(written[0]), float(written[1]), float(written[2])
    red, green, blue = (float(f"{value + 0.0:.6g}") for value in measured)
    return red, green, blue
