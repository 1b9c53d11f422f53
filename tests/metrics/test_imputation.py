from __future__ import annotations

import numpy as np
import pytest

from ttame.metrics.imputation import impute_linear


def _dense(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """The definition, one pixel and one neighbour at a time, and a dense solve."""
    channels, height, width = image.shape
    index = {tuple(pixel): number for number, pixel in enumerate(np.argwhere(removed))}
    system = np.zeros((len(index), len(index)))
    right = np.zeros((len(index), channels))
    for (row, column), number in index.items():
        for down in (-1, 0, 1):
            for aside in (-1, 0, 1):
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


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_against_a_dense_solve(share) -> None:
    random = np.random.default_rng(0)
    image, removed = random.standard_normal((3, 13, 17)), random.random((13, 17)) < share
    np.testing.assert_allclose(impute_linear(image, removed), _dense(image, removed), atol=1e-10)


def test_blob_that_touches_corner_and_border() -> None:
    image = np.random.default_rng(1).standard_normal((3, 12, 12))
    removed = np.zeros((12, 12), dtype=bool)
    removed[:7, :9] = True
    np.testing.assert_allclose(impute_linear(image, removed), _dense(image, removed), atol=1e-10)


def test_golden(golden) -> None:
    arrays = golden("road")
    for order in ("morf", "lerf"):
        for percentile in (90, 80, 70, 60, 50, 30, 10):
            kept = arrays[f"{order}.{percentile}.kept"].numpy().astype(bool)
            expected = arrays[f"{order}.{percentile}.imputed"].numpy()
            for image, known, result in zip(arrays["images"].numpy(), kept, expected, strict=True):
                np.testing.assert_allclose(impute_linear(image, ~known), result, atol=1e-5)


def test_constant_image_stays_constant() -> None:
    removed = np.random.default_rng(2).random((20, 20)) < 0.9
    np.testing.assert_allclose(impute_linear(np.full((3, 20, 20), 0.7), removed), 0.7, atol=1e-10)


def test_nothing_removed_and_everything_removed() -> None:
    image = np.random.default_rng(3).standard_normal((3, 5, 5))
    np.testing.assert_array_equal(impute_linear(image, np.zeros((5, 5), dtype=bool)), image)
    np.testing.assert_array_equal(impute_linear(image, np.ones((5, 5), dtype=bool)), 0.0)
