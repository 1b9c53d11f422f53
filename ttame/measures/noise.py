"""Maps mixed with noise, to see whether a measure notices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.metrics.masking import normalise_map, resize_map
from ttame.runtime.seeding import image_seed

STEPS = (0, 25, 50, 75, 100)
"""Percent of noise."""
CELLS = 8
"""A side of the noise, as of the control."""


def mixed(maps: Tensor, units: Sequence[str], percent: int, seed: int) -> Tensor:
    """(1 - t) map + t noise: uniform values on 8 x 8 cells, bilinear in between, min-max normalised.

    Args:
        maps: (U, h, w) or (U, M, h, w) in [0, 1].
        units: U names, which seed the noise, so that it is the same at every step.
        percent: of noise, t in percent; 0 changes nothing.
        seed: of the noise.

    Returns:
        As `maps`, in [0, 1].
    """
    flat = maps.flatten(0, -3)
    several = len(flat) // len(units)
    names = [f"{unit}-{number}" for unit in units for number in range(several)]
    cells = np.stack([np.random.default_rng(image_seed(seed, name)).random((CELLS, CELLS)) for name in names])
    height, width = flat.shape[-2:]
    noise = normalise_map(resize_map(torch.from_numpy(cells).to(flat), (height, width)))
    return ((1 - percent / 100) * flat + percent / 100 * noise).view_as(maps)
