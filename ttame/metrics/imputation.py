"""Noisy linear imputation (Rong et al., ROAD, ICML 2022): fill removed pixels so that nothing shows where they were."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

DIRECT_WEIGHT, DIAGONAL_WEIGHT = 1.0 / 6.0, 1.0 / 12.0


@lru_cache(maxsize=4)
def neighbour_weights(height: int, width: int) -> scipy.sparse.csr_array:
    """(H W, H W) weights of the 8 neighbours: 1/6 for the four direct ones, 1/12 for the diagonal ones."""
    pixels = np.arange(height * width).reshape(height, width)
    pairs = [
        (pixels[:, :-1], pixels[:, 1:], DIRECT_WEIGHT),
        (pixels[:-1, :], pixels[1:, :], DIRECT_WEIGHT),
        (pixels[:-1, :-1], pixels[1:, 1:], DIAGONAL_WEIGHT),
        (pixels[:-1, 1:], pixels[1:, :-1], DIAGONAL_WEIGHT),
    ]
    one = np.concatenate([first.ravel() for first, _, _ in pairs])
    other = np.concatenate([second.ravel() for _, second, _ in pairs])
    weight = np.concatenate([np.full(first.size, value) for first, _, value in pairs])
    half = scipy.sparse.coo_array((weight, (one, other)), shape=(pixels.size, pixels.size))
    return (half + half.T).tocsr()


def impute_linear(image: NDArray[np.floating], removed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solve for the removed pixels, all at once and without noise.

    Every removed pixel is the weighted mean of its 8 neighbours, removed ones included; a neighbour outside the image
    is left out and the weights renormalised: (sum of weights) v = weighted sum of neighbours (ROAD, equation 3).

    Args:
        image: (C, H, W).
        removed: (H, W), true where a pixel has to be filled.

    Returns:
        (C, H, W), equal to `image` where nothing was removed. An image that is removed altogether has no equation
        that ties it to a value; it becomes 0, the mean colour of a normalised image.
    """
    channels, height, width = image.shape
    weights = neighbour_weights(height, width)
    filled = image.reshape(channels, -1).T.astype(np.float64)
    unknown = np.flatnonzero(removed)
    if unknown.size == removed.size:
        return np.zeros(image.shape)
    if unknown.size:
        known = np.flatnonzero(~removed.ravel())
        rows = weights[unknown]
        system = scipy.sparse.diags_array(rows.sum(axis=1)) - rows[:, unknown]
        # The matrix is symmetric and diagonally dominant: an ordering for symmetric matrices fills in least.
        solver = scipy.sparse.linalg.splu(
            system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
        filled[unknown] = solver.solve(rows[:, known] @ filled[known])
    return filled.T.reshape(image.shape)
