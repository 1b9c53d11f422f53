"""Conjugate gradients with a multigrid preconditioner for linear imputation, a batch at a time on any device.

The unknowns live on the pixel grid and are 0 where a pixel is known, so that one array operation works on all images of
a batch, whatever was removed. Coarser grids keep every other row and column; their equations are the Galerkin products
of the finer ones with linear interpolation cut off at the known pixels, which tells scattered from solid regions of
removed pixels (Briggs, Henson, McCormick, A multigrid tutorial, 2000, chapters 7 and 10).

`compiled_multigrid` does the same on CPUs, 4 times faster.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from ttame.errors import TTameError
from ttame.metrics.grid_transfer import coarsen, interpolate, restrict

TOLERANCE = 5e-4
"""An image is solved after the step whose preconditioned residual, an estimate of the error before it, is below this;
the step leaves a fifth to a tenth of it."""

MOST_STEPS = 200

FRESH_RESIDUAL = 3
"""Every so many steps the residual is computed anew, in double precision: far from known pixels, what rounding adds to
it from step to step is amplified 10,000 times."""

COARSEST = 8
"""Rows and columns at which a grid is small enough for a dense inverse."""

MOST_RELAXED = 1.5
"""Bound on the eigenvalues of the relaxed equations; Jacobi sweeps diverge from 2 on."""

OFFSETS = tuple(itertools.product((-1, 0, 1), repeat=2))


def solve(images: Tensor, removed: Tensor) -> Tensor:
    """Fill the removed pixels.

    Args:
        images: (P, C, H, W), 0 where a pixel was removed.
        removed: (P, H, W) bool; in every image some pixels, but not all.

    Returns:
        (P, C, H, W) float64. Every image and channel stops by itself, so none depends on its neighbours.

    Raises:
        TTameError: when it does not converge, which takes a NaN or infinite pixel.
    """
    preconditioner = Multigrid(removed)
    pixels = preconditioner.pixels
    gone, weights = removed[:, None], pixels.weights.double()
    values = images.double()
    residual = direction = torch.zeros_like(images, dtype=torch.float32)
    energy = torch.ones_like(direction[..., :1, :1])
    unsolved = torch.ones_like(energy, dtype=torch.bool)
    for number in range(MOST_STEPS):
        if number % FRESH_RESIDUAL == 0:
            residual = torch.where(gone, window_sum(values) - weights * values, 0.0).float()
        preconditioned = preconditioner(residual)
        previous, energy = energy, _inner(residual, preconditioned)
        direction = preconditioned.addcmul(direction, _ratio(energy, previous))
        applied = pixels.apply(direction)
        step = _ratio(energy, _inner(direction, applied)) * unsolved
        values.addcmul_(direction, step)
        residual = residual.addcmul(applied, step, value=-1)
        unsolved &= ~(preconditioned.abs().amax((2, 3), keepdim=True) < TOLERANCE)
        if not unsolved.any():
            return values
    raise no_solution()


def no_solution() -> TTameError:
    """The error of both solvers when they do not converge."""
    return TTameError(f"linear imputation found no solution in {MOST_STEPS} steps; is there a pixel that is NaN?")


class Multigrid:
    """A preconditioner: a V-cycle, which approximates the inverse of the equations, and symmetrically."""

    def __init__(self, removed: Tensor) -> None:
        self.pixels = PixelGrid(removed[:, None].float())
        stencils = coarsen(pixel_stencils(self.pixels))
        self.coarse: list[CoarseGrid] = []
        while max(stencils.shape[3:]) > COARSEST:
            self.coarse.append(CoarseGrid(stencils))
            stencils = coarsen(stencils)
        self.coarsest_size = stencils.shape[3], stencils.shape[4]
        self.inverse = _dense_inverse(stencils)

    def __call__(self, right_hand_side: Tensor, level: int = 0) -> Tensor:
        """From 0, a Jacobi sweep before and after the correction from the coarser grids: (P, C, h, w), same shape."""
        if level > len(self.coarse):
            return torch.einsum("pij,pcj->pci", self.inverse, right_hand_side.flatten(2)).view_as(right_hand_side)
        grid = self.coarse[level - 1] if level > 0 else self.pixels
        solution = right_hand_side * grid.relaxation
        below = self(restrict(right_hand_side - grid.apply(solution)), level + 1)
        correction = interpolate(below, (solution.shape[2], solution.shape[3]))
        solution += correction * self.pixels.removed if level == 0 else correction
        return solution.addcmul_(right_hand_side - grid.apply(solution), grid.relaxation)


class PixelGrid:
    """(sum of weights) v - weighted sum of removed neighbours, at every removed pixel.

    Args:
        removed: (P, 1, H, W), 1 where a pixel is unknown, 0 where it is known.
    """

    def __init__(self, removed: Tensor) -> None:
        self.removed = removed
        self.weights = window_sum(torch.ones_like(removed[:1]))
        # The window counts the pixel itself 4 times, on both sides of its equation.
        self.relaxation = removed / (self.weights - 4)
        self._diagonal = removed * self.weights

    def apply(self, values: Tensor) -> Tensor:
        return (self._diagonal * values).addcmul_(window_sum(values), self.removed, value=-1)


class CoarseGrid:
    """Equations with 9 coefficients of its own at every node.

    Args:
        stencils: (P, 3, 3, h, w), the coefficients of a node's 3 x 3 neighbourhood.
    """

    def __init__(self, stencils: Tensor) -> None:
        self.stencils = stencils
        diagonal = stencils[:, 1, 1].unsqueeze(1)
        bound = stencils.abs().sum((1, 2)).unsqueeze(1) / MOST_RELAXED
        self.relaxation = torch.where(diagonal > 0, 1 / torch.maximum(diagonal, bound), 0.0)

    def apply(self, values: Tensor) -> Tensor:
        return apply_stencils(self.stencils, values)


def window_sum(values: Tensor) -> Tensor:
    """Sum over a pixel's 3 x 3 window, 4 times the pixel, twice its direct and once its diagonal neighbours.

    These are the weights of imputation times 12, and the product of [1, 2, 1] along rows and along columns.
    """
    padded = functional.pad(values, (1, 1, 1, 1))
    rows = (padded[..., :-2] + padded[..., 2:]).add_(padded[..., 1:-1], alpha=2)
    return (rows[..., :-2, :] + rows[..., 2:, :]).add_(rows[..., 1:-1, :], alpha=2)


def apply_stencils(stencils: Tensor, values: Tensor) -> Tensor:
    """Sum over the neighbourhood of coefficient, (P, 3, 3, h, w), times value, (P, C, h, w)."""
    height, width = values.shape[2:]
    padded = functional.pad(values, (1, 1, 1, 1))
    total = torch.zeros_like(values)
    for down, across in OFFSETS:
        coefficient = stencils[:, 1 + down, 1 + across].unsqueeze(1)
        total.addcmul_(coefficient, padded[..., 1 + down : 1 + down + height, 1 + across : 1 + across + width])
    return total


def pixel_stencils(grid: PixelGrid) -> Tensor:
    """The equations of the pixels, written out: (P, 3, 3, H, W)."""
    height, width = grid.removed.shape[2:]
    padded = functional.pad(grid.removed, (1, 1, 1, 1))
    stencils = grid.removed.new_empty(len(grid.removed), 3, 3, height, width)
    for down, across in OFFSETS:
        neighbour = padded[:, 0, 1 + down : 1 + down + height, 1 + across : 1 + across + width]
        weight = (2 - abs(down)) * (2 - abs(across))
        stencils[:, 1 + down, 1 + across] = -weight * grid.removed[:, 0] * neighbour
    stencils[:, 1, 1] = (grid.removed * (grid.weights - 4))[:, 0]
    return stencils


def _dense_inverse(stencils: Tensor) -> Tensor:
    """(P, n, n) for n nodes."""
    height, width = stencils.shape[3:]
    one_each = torch.eye(height * width, dtype=stencils.dtype, device=stencils.device).view(1, -1, height, width)
    one_each = one_each.expand(len(stencils), -1, -1, -1)
    matrix = apply_stencils(stencils, one_each).flatten(2).double()
    # Interpolated to few removed pixels, nodes say the same twice or nothing; a little more diagonal picks one answer.
    diagonal = matrix.diagonal(dim1=1, dim2=2)
    return torch.linalg.inv(matrix + torch.diag_embed(torch.where(diagonal > 0, 1e-5 * diagonal, 1.0))).float()


def _inner(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum((2, 3), keepdim=True)


def _ratio(dividend: Tensor, divisor: Tensor) -> Tensor:
    """0 where a channel is solved to the last bit and nothing is left to divide."""
    return torch.where(divisor > 0, dividend / divisor, 0.0)
