"""Noisy linear imputation (Rong et al., ROAD, ICML 2022): fill removed pixels so that nothing shows where they were."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.metrics import multigrid

PIXELS_AT_ONCE = {"cpu": 2**20, "cuda": 2**24}
"""How many pixels are solved together, 20 images of 224 x 224 on CPUs; a pixel takes about 200 bytes meanwhile."""


def impute_linear(images: Tensor, removed: Tensor) -> Tensor:
    """Solve for the removed pixels of every image, all at once and without noise.

    Every removed pixel is the weighted mean of its 8 neighbours, removed ones included: 1/6 for the four direct ones,
    1/12 for the diagonal ones. A neighbour outside the image is left out and the weights renormalised:
    (sum of weights) v = weighted sum of neighbours (ROAD, equation 3). Solved by iteration, image by image, until it is
    within 1e-3 of a direct solve for values of some units, such as those of a normalised image.

    Args:
        images: (P, C, H, W), with at least 4 rows and columns.
        removed: (P, H, W) bool, true where a pixel has to be filled.

    Returns:
        (P, C, H, W), equal to `images` where nothing was removed. An image that is removed altogether has no equation
        that ties it to a value; it becomes 0, the mean colour of a normalised image.

    Raises:
        TTameError: when the equations have no finite solution, which takes a NaN or infinite known pixel.
    """
    filled = torch.where(removed[:, None], 0.0, images)
    partly = (removed.any((1, 2)) & ~removed.all((1, 2))).nonzero()[:, 0]
    for chosen in partly.split(images_at_once(images)) if len(partly) else ():
        filled[chosen] = _solve(filled[chosen], removed[chosen]).to(filled.dtype)
    return filled


def images_at_once(images: Tensor) -> int:
    """How many images of the size of these, (..., H, W), are solved together where they are."""
    at_once = PIXELS_AT_ONCE.get(images.device.type, PIXELS_AT_ONCE["cuda"])
    return max(1, at_once // (images.shape[-2] * images.shape[-1]))


def _solve(images: Tensor, removed: Tensor) -> Tensor:
    if images.device.type != "cpu":
        return multigrid.solve(images, removed)
    from ttame.metrics import compiled_multigrid  # numba is for CPUs alone, and takes a moment to import

    return compiled_multigrid.solve(images, removed)
