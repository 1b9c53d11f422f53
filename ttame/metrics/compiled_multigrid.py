"""The solver of `multigrid` for CPUs: one image at a time, so that it stays in the cache, by compiled loops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ttame.metrics import multigrid_kernels as kernels
from ttame.metrics.multigrid import MOST_STEPS, TOLERANCE, Multigrid, no_solution
from ttame.metrics.multigrid_kernels import SOLVED, Doubles, Floats


def solve(images: Tensor, removed: Tensor) -> Tensor:
    """As `multigrid.solve`, for tensors on the CPU; images are shared among as many threads as torch uses."""
    hierarchy = Multigrid(removed)
    filled = images.double()
    threads = min(torch.get_num_threads(), len(images))

    def run(first: int) -> None:
        solver = _Solver(hierarchy, images.shape[1])
        for number in range(first, len(images), threads):
            filled[number] = torch.from_numpy(solver(filled[number].numpy(), number))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))
    return filled


class _Solver:
    """Room for one image of C channels at a time, on every grid of a hierarchy; fields have a frame of one pixel."""

    def __init__(self, hierarchy: Multigrid, channels: int) -> None:
        self._hierarchy = hierarchy
        relaxations = [hierarchy.pixels.relaxation, *(grid.relaxation for grid in hierarchy.coarse)]
        sizes = [tuple(relaxation.shape[2:]) for relaxation in relaxations] + [hierarchy.coarsest_size]

        def fields() -> list[Floats]:
            return [np.zeros((channels, height + 2, width + 2), np.float32) for height, width in sizes]

        self._right, self._solution, self._left = fields(), fields(), fields()
        self._direction = np.zeros_like(self._right[0])

    def __call__(self, image: Doubles, number: int) -> Doubles:
        """(C, H, W), with the zeros of the removed pixels of image `number` replaced."""
        pixels, coarse = self._hierarchy.pixels, self._hierarchy.coarse
        equations: tuple[Floats, Floats] = pixels.removed[number, 0].numpy(), (pixels.weights[0, 0] - 4).numpy()
        relaxation = pixels.relaxation[number, 0].numpy()
        stencils = [(grid.stencils[number].numpy(), grid.relaxation[number, 0].numpy()) for grid in coarse]
        residual, change, room = self._right[0], self._solution[0], self._left[0]
        values: Doubles = np.pad(image, ((0, 0), (1, 1), (1, 1)))
        energies = np.zeros(len(image))
        for _ in range(MOST_STEPS):
            kernels.exact_residual(*equations, values, residual)
            kernels.descend_pixels(*equations, relaxation, residual, change, room, self._right[1])
            self._correct(stencils, number)
            kernels.ascend_pixels(*equations, relaxation, residual, change, room, self._solution[1])
            kernels.conjugate_step(*equations, residual, change, self._direction, room, energies, values)
            if not np.isfinite(energies).all():
                break
            energies[np.abs(change).max(axis=(1, 2)) < TOLERANCE] = SOLVED
            if (energies == SOLVED).all():
                return values[:, 1:-1, 1:-1]
        raise no_solution()

    def _correct(self, stencils: list[tuple[Floats, Floats]], number: int) -> None:
        """From the right-hand side on the first coarse grid to the solution there."""
        levels = range(len(stencils), 0, -1)
        for level in reversed(levels):
            fields = self._right[level], self._solution[level], self._left[level]
            kernels.descend(*stencils[level - 1], *fields, self._right[level + 1])
        coarsest = self._right[-1][:, 1:-1, 1:-1]
        solved = coarsest.reshape(len(coarsest), -1) @ self._hierarchy.inverse[number].numpy()
        self._solution[-1][:, 1:-1, 1:-1] = solved.reshape(coarsest.shape)
        for level in levels:
            fields = self._right[level], self._solution[level], self._left[level]
            kernels.ascend(*stencils[level - 1], *fields, self._solution[level + 1])
