from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from ttame.data.shapes import render
from ttame.data.sources import ShapesSource
from ttame.measures.known_parts import NO_PART, idle_mass, part_found


def test_an_image_without_a_part_is_the_same_elsewhere() -> None:
    for index in range(12):
        whole = render(1, index)
        parts = ShapesSource(1, "train").parts(f"shapes-1-{index:06d}")
        assert len(parts.without) == len(parts.pixels) == whole.part_count >= 4
        assert np.array_equal(parts.pixels[-1], whole.object_mask)
        assert parts.pixels.sum(0).max() == 1, "no pixel belongs to two"
        changes = [(np.asarray(without) != whole.pixels).any(2) for without in parts.without]
        for changed, pixels in zip(changes, parts.pixels, strict=True):
            assert changed[pixels].mean() > 0.8 or pixels.sum() < 5
        for changed in changes[:-1]:  # distractors, of a radius of 9 pixels at most
            rows, columns = np.nonzero(changed)
            assert not changed.any() or max(np.ptp(rows), np.ptp(columns)) < 2 * 9 * 1.1 + 2
        # The object hides and is not hidden; pixels that it covers by less than half change too.
        assert not (changes[-1] & ~ndimage.binary_dilation(parts.pixels[-1], np.ones((7, 7)))).any()


def _example() -> tuple[torch.Tensor, torch.Tensor]:
    """Two images of 4 x 4 pixels: an object in each of the upper quarters, and one below that the second has not."""
    parts = torch.full((2, 4, 4), NO_PART, dtype=torch.uint8)
    parts[:, :2, :2], parts[:, :2, 2:] = 0, 1
    parts[0, 2:, :2] = 2
    return parts, torch.tensor([[4.0, 0.1, -1.0], [1.0, 2.0, torch.nan]])


def test_part_found_where_the_mean_is_largest() -> None:
    parts, drops = _example()
    saliency = torch.zeros(2, 4, 4)
    saliency[:, 0, 0] = 1
    assert part_found(saliency, drops, parts).tolist() == [True, False]
    saliency[:, :2, 2:] = 0.2
    assert part_found(saliency, drops, parts).tolist() == [True, False]
    saliency[:, :2, 2:] = 0.3
    assert part_found(saliency, drops, parts).tolist() == [False, True]
    assert part_found(torch.ones(2, 4, 4), drops, parts).tolist() == [False, False], "an even map finds nothing"


def test_mass_on_what_decides_nothing() -> None:
    parts, drops = _example()
    even = torch.ones(2, 4, 4)
    assert idle_mass(even, drops, parts, 0.05).tolist() == [0.5, 0.0]
    assert idle_mass(even, drops, parts, 0.02).tolist() == [0.25, 0.0]
    silent = idle_mass(torch.zeros(2, 4, 4), drops, parts, 0.05)
    assert silent.tolist() == [0.5, 0.0], "a map that says nothing is an even one, not the best"
