"""Noisy linear imputation (Rong et al., ROAD, ICML 2022): fill removed pixels so that nothing shows where they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

DIRECT_WEIGHT, DIAGONAL_WEIGHT = 1.0 / 6.0, 1.0 / 12.0
EARLIER_NEIGHBOURS = (
    (0, -1, DIRECT_WEIGHT),
    (-1, 0, DIRECT_WEIGHT),
    (-1, -1, DIAGONAL_WEIGHT),
    (-1, 1, DIAGONAL_WEIGHT),
)
"""Row and column offsets of the four neighbours that come first in row order; the other four mirror them."""

LARGEST_BANDED = 1e8
"""Unknowns times bandwidth squared, up to which a banded factorisation is faster than a sparse one (measured)."""

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _System:
    """The symmetric equations of n removed pixels: diagonal, entries below it and right-hand sides (n, C)."""

    diagonal: Floats
    rows: Indices
    columns: Indices
    values: Floats
    right: Floats


def impute_linear(image: NDArray[np.floating], removed: NDArray[np.bool_]) -> Floats:
    """Solve for the removed pixels, all at once and without noise.

    Every removed pixel is the weighted mean of its 8 neighbours, removed ones included: 1/6 for the four direct ones,
    1/12 for the diagonal ones. A neighbour outside the image is left out and the weights renormalised:
    (sum of weights) v = weighted sum of neighbours (ROAD, equation 3). The solve is direct, so exact up to rounding.

    Args:
        image: (C, H, W).
        removed: (H, W), true where a pixel has to be filled.

    Returns:
        (C, H, W), equal to `image` where nothing was removed. An image that is removed altogether has no equation
        that ties it to a value; it becomes 0, the mean colour of a normalised image.
    """
    if removed.all():
        return np.zeros(image.shape)
    filled = image.astype(np.float64)
    if removed.any():
        system = _assemble(filled, removed)
        band = int((system.rows - system.columns).max(initial=0))
        cheap = len(system.diagonal) * band**2 <= LARGEST_BANDED
        filled[:, removed] = (_solve_banded(system, band) if cheap else _solve_sparse(system)).T
    return filled


def _assemble(image: Floats, removed: NDArray[np.bool_]) -> _System:
    channels, height, width = image.shape
    unknowns = int(removed.sum())
    # A frame of one pixel, so that every neighbour has an index.
    inside = np.pad(np.ones((height, width)), 1)
    known = np.pad(np.where(removed, 0.0, image), ((0, 0), (1, 1), (1, 1)))
    place = np.full((height + 2, width + 2), -1)
    place[1:-1, 1:-1][removed] = np.arange(unknowns)
    row, column = (index + 1 for index in np.nonzero(removed))
    diagonal, right = np.zeros(unknowns), np.zeros((channels, unknowns))
    found: list[tuple[Indices, Indices, Floats]] = []
    for down, across, weight in EARLIER_NEIGHBOURS:
        for sign in (1, -1):
            neighbour = row + sign * down, column + sign * across
            diagonal += weight * inside[neighbour]
            right += weight * known[:, neighbour[0], neighbour[1]]
        earlier = place[row + down, column + across]
        present = np.nonzero(earlier >= 0)[0]
        found.append((present, earlier[present], np.full(len(present), -weight)))
    rows, columns, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return _System(diagonal, rows, columns, values, right.T)


def _solve_banded(system: _System, band: int) -> Floats:
    """Cholesky factorisation in row order: (n, C)."""
    matrix = np.zeros((band + 1, len(system.diagonal)))
    matrix[0] = system.diagonal
    matrix[system.rows - system.columns, system.columns] = system.values
    factor = scipy.linalg.cholesky_banded(matrix, lower=True, overwrite_ab=True, check_finite=False)
    solution: Floats = scipy.linalg.cho_solve_banded((factor, True), system.right, check_finite=False)
    return solution


def _solve_sparse(system: _System) -> Floats:
    """LU factorisation in an order that keeps it sparse: (n, C)."""
    size = len(system.diagonal)
    below = scipy.sparse.coo_array((system.values, (system.rows, system.columns)), shape=(size, size))
    matrix = (below + below.T + scipy.sparse.diags_array(system.diagonal)).tocsc()
    # The matrix is symmetric and diagonally dominant: an ordering for symmetric matrices fills in least.
    solver = scipy.sparse.linalg.splu(
        matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    solution: Floats = solver.solve(system.right)
    return solution
