"""How alike the maps of the methods are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ttame.explainers.registry import find
from ttame.metrics.masking import normalise_map

GRID = 28
"""Rows and columns of a map in the page; the browser enlarges it."""
TOGETHER = 64
"""Images that are compared at a time."""


def small_maps(raw_maps: Tensor) -> Tensor:
    """(N, h, w) raw maps to (N, 28, 28) in [0, 1], by area where they are finer and bilinear where they are coarser."""
    normalised = normalise_map(raw_maps)[:, None]
    if min(raw_maps.shape[1:]) >= GRID:
        return functional.adaptive_avg_pool2d(normalised, GRID)[:, 0]
    return functional.interpolate(normalised, (GRID, GRID), mode="bilinear", align_corners=False)[:, 0]


def agreement_by_image(maps: Mapping[str, Tensor]) -> NDArray[np.float64]:
    """Mean correlation of the maps of every two methods, controls aside.

    Args:
        maps: of every method, (N, 28, 28) of `small_maps`.

    Returns:
        (N,) in [-1, 1]; 1 where there is one method. A constant map has a correlation of 0 with any other.
    """
    compared = {method: of for method, of in maps.items() if find(method).kind != "control"}
    count = len(compared)
    if count < 2:
        return np.ones(len(next(iter(maps.values()))))
    means = [
        (found.sum((1, 2)) - found.diagonal(dim1=1, dim2=2).sum(1)) / (count * (count - 1))
        for found in _correlations(compared)
    ]
    return torch.cat(means).numpy()


def likeness(maps: Mapping[str, Tensor]) -> pd.DataFrame:
    """Correlation of the maps of every two methods, mean over the images: a symmetric table, 1 for the same maps."""
    total = sum(found.sum(0) for found in _correlations(maps))
    methods = list(maps)
    assert isinstance(total, Tensor)
    return pd.DataFrame((total / len(maps[methods[0]])).numpy(), index=methods, columns=methods)


def _correlations(maps: Mapping[str, Tensor]) -> Iterator[Tensor]:
    """(B, M, M) of the M methods, some images at a time."""
    methods = list(maps)
    for start in range(0, len(maps[methods[0]]), TOGETHER):
        flat = torch.stack([maps[method][start : start + TOGETHER] for method in methods], dim=1).flatten(2).double()
        centred = flat - flat.mean(2, keepdim=True)
        unit = centred / centred.norm(dim=2, keepdim=True).clamp(min=1e-12)
        yield unit @ unit.transpose(1, 2)
