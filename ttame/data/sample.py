"""What is known of an image besides its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """What is known of an image besides its pixels.

    Attributes:
        name: its name in the datalist.
        object_mask: (H, W) bool at input size, or None where there is no ground truth.
    """

    name: str
    object_mask: NDArray[np.bool_] | None = None
