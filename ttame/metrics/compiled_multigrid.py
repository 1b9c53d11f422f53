"""The solver of `multigrid` for CPUs: one image at a time, so that it stays in the cache, by compiled loops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ttame.metrics import multigrid_kernels as kernels
from ttame.metrics.multigrid import MOST_STEPS, TOLERANCE, Multigrid, no_solution
from ttame.metrics.multigrid_kernels import SOLVED, Doubles, Fields, Floats


def solve(images: Tensor, removed: Tensor) -> Tensor:
    """As `multigrid.solve`, for tensors on the CPU; images are shared among as many threads as torch uses."""
    preconditioner = Multigrid(removed)
    filled = images.double()
    threads = min(torch.get_num_threads(), len(images))

    def run(first: int) -> None:
        solver = _Solver(preconditioner, images.shape[1])
        for number in range(first, len(images), threads):
            filled[number] = torch.from_numpy(solver(filled[number].numpy(), number))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return filled


class _Solver:
    """Room for one image of C channels at a time, on every grid; fields have a frame of one pixel."""

    def __init__(self, preconditioner: Multigrid, channels: int) -> None:
        self._preconditioner = preconditioner
        relaxations = [preconditioner.pixels.relaxation, *(grid.relaxation for grid in preconditioner.coarse)]
        sizes = [tuple(relaxation.shape[2:]) for relaxation in relaxations] + [preconditioner.coarsest_size]
        self._fields = [_fields((channels, height + 2, width + 2)) for height, width in sizes]
        self._direction = np.zeros_like(self._fields[0][0])

    def __call__(self, image: Doubles, number: int) -> Doubles:
        """(C, H, W), with the zeros of the removed pixels of image `number` replaced."""
        pixels, coarse = self._preconditioner.pixels, self._preconditioner.coarse
        equations: tuple[Floats, Floats] = pixels.removed[number, 0].numpy(), (pixels.weights[0, 0] - 4).numpy()
        relaxation = pixels.relaxation[number, 0].numpy()
        stencils = [(grid.stencils[number].numpy(), grid.relaxation[number, 0].numpy()) for grid in coarse]
        # The residual is the right-hand side of the preconditioner's equations; their solution is what it gives.
        residual, preconditioned, product = self._fields[0]
        right_hand_side, solution, _ = self._fields[1]
        values: Doubles = np.pad(image, ((0, 0), (1, 1), (1, 1)))
        energies = np.zeros(len(image))
        for _ in range(MOST_STEPS):
            kernels.exact_residual(*equations, values, residual)
            kernels.descend_pixels(*equations, relaxation, self._fields[0], right_hand_side)
            self._correct(stencils, number)
            kernels.ascend_pixels(*equations, relaxation, self._fields[0], solution)
            kernels.conjugate_step(*equations, residual, preconditioned, self._direction, product, energies, values)
            if not np.isfinite(energies).all():
                break
            energies[np.abs(preconditioned).max(axis=(1, 2)) < TOLERANCE] = SOLVED
            if (energies == SOLVED).all():
                return values[:, 1:-1, 1:-1]
        raise no_solution()

    def _correct(self, stencils: list[tuple[Floats, Floats]], number: int) -> None:
        """From the right-hand side on the first coarse grid to the solution there."""
        levels = range(len(stencils), 0, -1)
        for level in reversed(levels):
            kernels.descend(*stencils[level - 1], self._fields[level], self._fields[level + 1][0])
        right_hand_side, solution, _ = (field[:, 1:-1, 1:-1] for field in self._fields[-1])
        solved = right_hand_side.reshape(len(solution), -1) @ self._preconditioner.inverse[number].numpy()
        solution[:] = solved.reshape(solution.shape)
        for level in levels:
            kernels.ascend(*stencils[level - 1], self._fields[level], self._fields[level + 1][1])


def _fields(shape: tuple[int, int, int]) -> Fields:
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
