"""The loops of `compiled_multigrid`, compiled by numba on first use and kept on disk after that.

A field is (C, h + 2, w + 2) float32 with a frame of zeros, so that every neighbour exists. Stencils are (3, 3, h, w).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Fields = tuple[Floats, Floats, Floats]
"""Right-hand side, solution and residual on one grid."""

Function = TypeVar("Function", bound=Callable[..., object])
SOLVED = -1.0
"""Stands for the energy of a channel that needs no further step."""

HALF, TWO = np.float32(0.5), np.float32(2)


def compiled(function: Function) -> Function:
    """Compile a loop; sums may be reordered, so that several of their terms are added at once."""
    fast: Any = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})(function)
    return fast


@compiled
def pixel_product(removed: Floats, diagonal: Floats, values: Floats, out: Floats) -> None:
    """out = the equations of the removed pixels applied to values, (h + 2, w + 2); `diagonal` is (h, w)."""
    for y in range(1, values.shape[0] - 1):
        above, here, below, result = values[y - 1], values[y], values[y + 1], out[y]
        is_removed, own = removed[y - 1], diagonal[y - 1]
        for x in range(1, values.shape[1] - 1):
            corners = above[x - 1] + above[x + 1] + below[x - 1] + below[x + 1]
            direct = above[x] + below[x] + here[x - 1] + here[x + 1]
            result[x] = is_removed[x - 1] * (own[x - 1] * here[x] - (corners + TWO * direct))


@compiled
def pixel_residual(removed: Floats, diagonal: Floats, values: Floats, right_hand_side: Floats, out: Floats) -> None:
    """out = right-hand side - the equations of the removed pixels applied to values."""
    for channel in range(len(values)):
        pixel_product(removed, diagonal, values[channel], out[channel])
        for y in range(1, values.shape[1] - 1):
            result, given = out[channel, y], right_hand_side[channel, y]
            for x in range(1, values.shape[2] - 1):
                result[x] = given[x] - result[x]


@compiled
def exact_residual(removed: Floats, diagonal: Floats, values: Doubles, out: Floats) -> None:
    """out = minus the equations applied to values in double precision, known pixels included."""
    channels, rows, columns = values.shape
    for channel in range(channels):
        for y in range(1, rows - 1):
            above, here, below = values[channel, y - 1], values[channel, y], values[channel, y + 1]
            result, is_removed, own = out[channel, y], removed[y - 1], diagonal[y - 1]
            for x in range(1, columns - 1):
                corners = above[x - 1] + above[x + 1] + below[x - 1] + below[x + 1]
                direct = above[x] + below[x] + here[x - 1] + here[x + 1]
                result[x] = is_removed[x - 1] * (corners + 2 * direct - own[x - 1] * here[x])


@compiled
def stencil_residual(stencils: Floats, values: Floats, right_hand_side: Floats, out: Floats) -> None:
    """out = right-hand side - stencils applied to values."""
    channels, rows, columns = values.shape
    for y in range(1, rows - 1):
        a, b, c = stencils[0, 0, y - 1], stencils[0, 1, y - 1], stencils[0, 2, y - 1]
        d, e, f = stencils[1, 0, y - 1], stencils[1, 1, y - 1], stencils[1, 2, y - 1]
        g, h, i = stencils[2, 0, y - 1], stencils[2, 1, y - 1], stencils[2, 2, y - 1]
        for channel in range(channels):
            above, here, below = values[channel, y - 1], values[channel, y], values[channel, y + 1]
            result, given = out[channel, y], right_hand_side[channel, y]
            for x in range(columns - 2):
                first = a[x] * above[x] + b[x] * above[x + 1] + c[x] * above[x + 2]
                second = d[x] * here[x] + e[x] * here[x + 1] + f[x] * here[x + 2]
                third = g[x] * below[x] + h[x] * below[x + 1] + i[x] * below[x + 2]
                result[x + 1] = given[x + 1] - (first + second + third)


@compiled
def relax(residual: Floats, relaxation: Floats, solution: Floats) -> None:
    """solution += relaxation * residual: a Jacobi sweep."""
    channels, rows, columns = residual.shape
    for channel in range(channels):
        for y in range(1, rows - 1):
            result, remaining, step = solution[channel, y], residual[channel, y], relaxation[y - 1]
            for x in range(1, columns - 1):
                result[x] += remaining[x] * step[x - 1]


@compiled
def restrict(fine: Floats, out: Floats) -> None:
    """out = the transpose of `add_interpolated`."""
    channels, rows, columns = fine.shape
    line = np.empty(columns, np.float32)
    height, width = rows - 2, columns - 2
    for channel in range(channels):
        for node_row in range((height + 1) // 2):
            y = 2 * node_row + 1
            last = np.float32(1) if y + 1 == height else HALF  # beyond the last node values are the node's
            above, here, below = fine[channel, y - 1], fine[channel, y], fine[channel, y + 1]
            for x in range(columns):
                line[x] = here[x] + HALF * above[x] + last * below[x]
            result = out[channel, node_row + 1]
            for node in range((width + 1) // 2):
                x = 2 * node + 1
                result[node + 1] = line[x] + HALF * (line[x - 1] + line[x + 1])
            if width % 2 == 0:
                result[width // 2] += HALF * line[width]


@compiled
def add_interpolated(coarse: Floats, out: Floats) -> None:
    """out += linear interpolation of coarse."""
    channels, rows, columns = out.shape
    height, width = rows - 2, columns - 2
    nodes = (width + 1) // 2
    line = np.empty(nodes + 1, np.float32)
    for channel in range(channels):
        for y in range(height):
            first = coarse[channel, y // 2 + 1]
            is_between = y % 2 == 1 and y + 1 < height
            second = coarse[channel, y // 2 + 2] if is_between else first
            for node in range(nodes):
                line[node] = HALF * (first[node + 1] + second[node + 1])
            line[nodes] = line[nodes - 1]
            result = out[channel, y + 1]
            for node in range(width // 2):
                result[2 * node + 1] += line[node]
                result[2 * node + 2] += HALF * (line[node] + line[node + 1])
            if width % 2 == 1:
                result[width] += line[nodes - 1]


@compiled
def inner_product(first: Floats, second: Floats) -> float:
    """Of two (h + 2, w + 2) fields; rows are added in double precision."""
    total = 0.0
    for y in range(1, first.shape[0] - 1):
        row = np.float32(0)
        for x in range(1, first.shape[1] - 1):
            row += first[y, x] * second[y, x]
        total += float(row)
    return total


@compiled
def scale_add(factor: np.float32, field: Floats, out: Floats) -> None:
    """out = field + factor * out, on (h + 2, w + 2) fields."""
    for y in range(1, field.shape[0] - 1):
        for x in range(1, field.shape[1] - 1):
            out[y, x] = field[y, x] + factor * out[y, x]


@compiled
def advance(step: float, direction: Floats, values: Doubles) -> None:
    """values += step * direction, on (h + 2, w + 2) fields."""
    for y in range(1, direction.shape[0] - 1):
        for x in range(1, direction.shape[1] - 1):
            values[y, x] += step * direction[y, x]


@compiled
def descend(stencils: Floats, relaxation: Floats, fields: Fields, below: Floats) -> None:
    """A sweep from 0 on one grid, and its residual, the right-hand side of the grid below."""
    right_hand_side, solution, residual = fields
    solution[:] = 0
    relax(right_hand_side, relaxation, solution)
    stencil_residual(stencils, solution, right_hand_side, residual)
    restrict(residual, below)


@compiled
def ascend(stencils: Floats, relaxation: Floats, fields: Fields, below: Floats) -> None:
    """Add the correction from the grid below and sweep once more."""
    right_hand_side, solution, residual = fields
    add_interpolated(below, solution)
    stencil_residual(stencils, solution, right_hand_side, residual)
    relax(residual, relaxation, solution)


@compiled
def descend_pixels(removed: Floats, diagonal: Floats, relaxation: Floats, fields: Fields, below: Floats) -> None:
    """`descend` on the pixels."""
    right_hand_side, solution, residual = fields
    solution[:] = 0
    relax(right_hand_side, relaxation, solution)
    pixel_residual(removed, diagonal, solution, right_hand_side, residual)
    restrict(residual, below)


@compiled
def ascend_pixels(removed: Floats, diagonal: Floats, relaxation: Floats, fields: Fields, below: Floats) -> None:
    """`ascend` on the pixels, known ones left alone."""
    right_hand_side, solution, residual = fields
    add_interpolated(below, solution)
    for channel in range(len(solution)):
        for y in range(removed.shape[0]):
            for x in range(removed.shape[1]):
                solution[channel, y + 1, x + 1] *= removed[y, x]
    pixel_residual(removed, diagonal, solution, right_hand_side, residual)
    relax(residual, relaxation, solution)


@compiled
def conjugate_step(
    removed: Floats,
    diagonal: Floats,
    residual: Floats,
    preconditioned: Floats,
    direction: Floats,
    product: Floats,
    energies: Doubles,
    values: Doubles,
) -> None:
    """One step of conjugate gradients in every channel that is not solved.

    Args:
        removed, diagonal: (h, w), the equations of the pixels.
        residual, preconditioned: the residual before and after the preconditioner.
        direction: of the last step, replaced by the new one.
        product: replaced by the equations applied to the direction.
        energies: (C,) inner products of residual and preconditioned in the last step, 0 at first, `SOLVED` where no
            step is needed; replaced.
        values: moved along the direction.
    """
    for channel in range(len(energies)):
        if energies[channel] == SOLVED:
            continue
        energy = inner_product(residual[channel], preconditioned[channel])
        conjugate = energy / energies[channel] if energies[channel] > 0 else 0.0
        energies[channel] = energy
        scale_add(np.float32(conjugate), preconditioned[channel], direction[channel])
        pixel_product(removed, diagonal, direction[channel], product[channel])
        curvature = inner_product(direction[channel], product[channel])
        if curvature > 0:
            advance(energy / curvature, direction[channel], values[channel])
