from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from ttame.measures.column import SILENT
from ttame.measures.grid_pointing import GridPointing, draw_grids, join, share_inside
from ttame.measures.options import GridPointingOptions
from ttame.store.basis_file import Basis


@pytest.mark.slow
def test_golden_shares(golden) -> None:
    arrays = golden("grid_pointing")
    found = share_inside(arrays["attributions"], (24, 24))
    torch.testing.assert_close(found, arrays["share_inside"], rtol=0, atol=1e-12)


def test_share_by_a_plain_loop() -> None:
    torch.manual_seed(0)
    maps = torch.randn(3, 4, 6, 6)
    found = share_inside(maps, (6, 6))
    for grid in range(3):
        for cell in range(4):
            row, column = 3 * (cell // 2), 3 * (cell % 2)
            values = [max(0.0, value) for value in maps[grid, cell].flatten().tolist()]
            inside = sum(values[6 * r + c] for r in range(row, row + 3) for c in range(column, column + 3))
            assert found[grid, cell].item() == pytest.approx(inside / sum(values))


def test_even_map_is_chance_and_no_mass_is_nothing() -> None:
    assert share_inside(torch.ones(1, 4, 5, 5), (8, 8)).tolist() == [[0.25] * 4]
    assert share_inside(-torch.ones(1, 4, 5, 5), (8, 8)).tolist() == [[0.0] * 4]


def test_maps_without_positive_mass_are_counted() -> None:
    measure, subject = GridPointing(GridPointingOptions()), cast(Any, None)  # no pass is made
    maps = torch.stack([-torch.ones(4, 6, 6), torch.ones(4, 6, 6)])
    maps[1, 3] = -1
    found = measure.judge(subject, measure.normalise(maps), Basis(["a", "b"], (6, 6), {}), subject)
    assert found[SILENT].tolist() == [1, 0.25]
    assert found["grid_pointing"].tolist() == [0, 0.75 * 0.25]


def test_images_stand_row_by_row_at_half_their_size() -> None:
    colours = torch.arange(1, 5).view(1, 4, 1, 1, 1) / 10
    joined = join(colours.expand(1, 4, 3, 8, 8))
    assert joined.shape == (1, 3, 8, 8)
    assert joined[0, 0, ::4, ::4].flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 4, 3, 16, 16), generator=generator, dtype=torch.uint8)
    halves = join(pixels / 255)[0, :, :8, 8:]
    image = Image.fromarray(pixels[0, 1].permute(1, 2, 0).numpy()).resize((8, 8), Image.Resampling.BOX)
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    torch.testing.assert_close(halves, expected, rtol=0, atol=1.01 / 255)  # Pillow rounds to bytes


@pytest.mark.parametrize("sizes", [[1] * 9, [5, 5, 5, 5], [100, 1, 1, 1], [3, 2, 2, 1, 1], [9, 9, 2], []])
def test_grids_are_of_four_classes_and_as_many_as_there_can_be(sizes: list[int]) -> None:
    classes = np.repeat(np.arange(len(sizes)), sizes)
    confidences = np.random.default_rng(0).random(len(classes))
    places = 10 * np.arange(len(classes))
    grids = draw_grids(places, classes, confidences, 50, seed=1)
    assert grids.shape[1] == 4
    assert len(np.unique(grids)) == grids.size, "no image in two grids"
    for grid in grids:
        assert len(set(classes[grid // 10])) == 4
    left, possible = sorted(sizes, reverse=True), 0
    while len(left) >= 4 and left[3] > 0:  # always from the four largest, which leaves most
        left = sorted([count - 1 for count in left[:4]] + left[4:], reverse=True)
        possible += 1
    assert len(grids) == possible


def test_the_most_confident_images_are_taken_and_the_seed_draws_their_neighbours() -> None:
    classes, confidences = np.repeat(np.arange(5), 4), np.linspace(0.5, 1, 20)
    grids = draw_grids(np.arange(20), classes, confidences, 2, seed=1)
    assert set(grids.flatten().tolist()) == {6, 7, 10, 11, 14, 15, 18, 19}, "the two best of the four surest classes"
    assert not np.array_equal(grids, draw_grids(np.arange(20), classes, confidences, 2, seed=2))
    assert np.array_equal(grids, draw_grids(np.arange(20), classes, confidences, 2, seed=1))
