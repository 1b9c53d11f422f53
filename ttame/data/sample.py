"""What is known of an image besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Sample:
    """What is known of an image besides its pixels.

    Attributes:
        name: its name in the datalist.
        object_mask: (H, W) bool at input size, or None where there is no ground truth.
    """

    name: str
    object_mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Parts:
    """The objects of an image that can be drawn again without one of them.

    Attributes:
        pixels: (P, H, W) bool, the visible pixels of each; no pixel belongs to two.
        without: the image without each of the P, everything else untouched.
    """

    pixels: NDArray[np.bool_]
    without: list[Image.Image]
