from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from ttame.errors import TTameError
from ttame.metrics import compiled_multigrid, multigrid
from ttame.metrics.imputation import impute_linear
from ttame.metrics.masking import rank_pixels, removed_pixels

from .direct_imputation import impute_directly

TOLERANCE = 1e-3
SHARES = (10, 20, 30, 40, 50, 70, 90)
Solver = pytest.mark.parametrize("solve", [multigrid.solve, compiled_multigrid.solve], ids=["torch", "compiled"])


def _dense(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """The definition, one pixel and one neighbour at a time, and a dense solve."""
    channels, height, width = image.shape
    index = {tuple(pixel): number for number, pixel in enumerate(np.argwhere(removed))}
    system = np.zeros((len(index), len(index)))
    right = np.zeros((len(index), channels))
    for (row, column), number in index.items():
        for down, aside in itertools.product((-1, 0, 1), repeat=2):
            neighbour = (row + down, column + aside)
            if (down, aside) == (0, 0) or not (0 <= neighbour[0] < height and 0 <= neighbour[1] < width):
                continue
            weight = 1 / 6 if 0 in (down, aside) else 1 / 12
            system[number, number] += weight
            if neighbour in index:
                system[number, index[neighbour]] -= weight
            else:
                right[number] += weight * image[:, neighbour[0], neighbour[1]]
    result = image.copy()
    result[:, removed] = np.linalg.solve(system, right).T
    return result


@pytest.mark.parametrize("size", [(13, 17), (9, 40), (1, 30), (33, 2), (5, 5)])
def test_the_direct_solve_is_the_definition(size) -> None:
    random = np.random.default_rng(0)
    image, removed = random.standard_normal((3, *size)), random.random(size) < 0.6
    found = impute_directly(torch.from_numpy(image), torch.from_numpy(removed))
    np.testing.assert_allclose(found.numpy(), _dense(image, removed), atol=1e-10)


@Solver
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("size", [(13, 17), (9, 40), (64, 64), (33, 4), (5, 5), (101, 18)])
def test_scattered_pixels_at_any_size(solve, share, size) -> None:
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.standard_normal((2, 3, *size)))
    removed = torch.from_numpy(random.random((2, *size)) < share)
    removed[:, 0, 0], removed[:, 0, 1] = True, False
    _assert_solved(solve(torch.where(removed[:, None], 0.0, images), removed), images, removed)


@Solver
def test_solid_regions_at_border_and_corner_and_almost_everything(solve) -> None:
    images = torch.randn(3, 3, 90, 70, generator=torch.Generator().manual_seed(1))
    removed = torch.zeros(3, 90, 70, dtype=torch.bool)
    removed[0, :60, :50] = True
    removed[1, 20:, 5:65] = True
    removed[2] = True
    removed[2, 44, 33] = False
    _assert_solved(solve(torch.where(removed[:, None], 0.0, images), removed), images, removed)


@Solver
def test_golden(golden, solve) -> None:
    arrays = golden("road")
    for order, percentile in itertools.product(("morf", "lerf"), (90, 80, 70, 60, 50, 30, 10)):
        removed = ~arrays[f"{order}.{percentile}.kept"].bool()
        found = solve(torch.where(removed[:, None], 0.0, arrays["images"]), removed)
        torch.testing.assert_close(found, arrays[f"{order}.{percentile}.imputed"].double(), atol=TOLERANCE, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("map_of", ["ttame", "rise", "gradcam", "random"])
def test_photographs_on_every_share(lite0_maps, map_of) -> None:
    """At 224 x 224, the maximum over all pixels, by both solvers."""
    images, maps = lite0_maps
    for order, share in itertools.product((1, -1), SHARES):
        removed = removed_pixels(rank_pixels(order * maps[map_of]), share).view(maps[map_of].shape)
        expected = torch.stack([impute_directly(*pair) for pair in zip(images, removed, strict=True)])
        for solve in (multigrid.solve, compiled_multigrid.solve):
            found = solve(torch.where(removed[:, None], 0.0, images), removed)
            torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)


def test_an_image_is_solved_as_if_it_were_alone() -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(4, 3, 40, 40, generator=generator)
    removed = torch.rand(4, 40, 40, generator=generator) < torch.tensor([0.1, 0.5, 0.9, 0.97])[:, None, None]
    together = impute_linear(images, removed)
    for index in range(4):
        assert torch.equal(together[[index]], impute_linear(images[[index]], removed[[index]]))


def test_constant_image_stays_constant() -> None:
    removed = torch.rand(1, 20, 20, generator=torch.Generator().manual_seed(2)) < 0.9
    torch.testing.assert_close(
        impute_linear(torch.full((1, 3, 20, 20), 0.7), removed), torch.full((1, 3, 20, 20), 0.7), atol=TOLERANCE, rtol=0
    )


def test_nothing_removed_and_everything_removed() -> None:
    images = torch.randn(2, 3, 5, 5)
    removed = torch.zeros(2, 5, 5, dtype=torch.bool)
    removed[1] = True
    filled = impute_linear(images, removed)
    assert torch.equal(filled[0], images[0])
    assert torch.equal(filled[1], torch.zeros(3, 5, 5))


@Solver
def test_a_pixel_that_is_not_a_number_is_said(solve) -> None:
    images = torch.zeros(1, 3, 20, 20)
    images[0, 1, 5, 5] = float("nan")
    removed = torch.zeros(1, 20, 20, dtype=torch.bool)
    removed[0, 6:15, 6:15] = True
    with pytest.raises(TTameError, match="is there a pixel that is NaN"):
        solve(images, removed)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_agrees_with_the_cpu() -> None:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(5, 3, 64, 64, generator=generator)
    removed = torch.rand(5, 64, 64, generator=generator) < 0.7
    found = impute_linear(images.cuda(), removed.cuda()).cpu()
    torch.testing.assert_close(found, impute_linear(images, removed), atol=TOLERANCE, rtol=0)


def _assert_solved(found: Tensor, images: Tensor, removed: Tensor) -> None:
    for image, gone, filled in zip(images, removed, found, strict=True):
        torch.testing.assert_close(filled, impute_directly(image, gone), atol=TOLERANCE, rtol=0)
