from __future__ import annotations

import numpy as np
import pytest
import torch

from ttame.metrics.masking import keep_most_salient, normalise_map, rank_pixels, removed_pixels, resize_map


def test_golden_masked_images(golden) -> None:
    arrays = golden("ad_ic")
    masks = normalise_map(arrays["c"][:, 0].double())
    torch.testing.assert_close(masks, arrays["mask"][:, 0], atol=1e-10, rtol=0)
    resized = resize_map(masks, (56, 56))
    torch.testing.assert_close(resized.float(), arrays["mask_up"][:, 0], atol=1e-6, rtol=0)
    for share, key in ((100, "pct0"), (50, "pct50"), (15, "pct85")):
        masked = keep_most_salient(resized, share)[:, None] * arrays["img01"].double()
        wrong = (masked - arrays[f"normalizedF.{key}"].double()).abs() > 1e-5
        assert int(wrong.any(1).sum()) <= 2, "at most a pixel that lies on the quantile itself may flip"


@pytest.mark.parametrize("share", [100, 50, 15, 1])
def test_threshold_is_numpys_quantile(share) -> None:
    torch.manual_seed(0)
    masks = torch.rand(3, 17, 13)
    kept = keep_most_salient(masks, share)
    for mask, result in zip(masks.numpy(), kept.numpy(), strict=True):
        threshold = np.quantile(mask.astype(np.float64), 1 - share / 100)
        np.testing.assert_array_equal(result, np.where(mask < threshold, 0, mask))


def test_every_map_is_normalised_by_itself() -> None:
    maps = torch.tensor([[[1.0, 2.0], [3.0, 5.0]], [[-4.0, 0.0], [4.0, 2.0]]])
    expected = torch.tensor([[[0.0, 0.25], [0.5, 1.0]], [[0.0, 0.5], [1.0, 0.75]]])
    torch.testing.assert_close(normalise_map(maps), expected)


@pytest.mark.parametrize("value", [0.0, 3.0, float("nan"), float("inf"), -float("inf")])
def test_map_that_says_nothing_becomes_zero(value) -> None:
    assert torch.equal(normalise_map(torch.full((2, 3, 3), value)), torch.zeros(2, 3, 3))


def test_values_that_are_not_finite_count_as_the_smallest() -> None:
    maps = torch.tensor([[[float("nan"), 1.0], [2.0, float("inf")]]])
    torch.testing.assert_close(normalise_map(maps), torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]))


def test_normalising_leaves_the_map_alone() -> None:
    maps = torch.rand(1, 3, 3)
    before = maps.clone()
    normalise_map(maps)
    assert torch.equal(maps, before)


@pytest.mark.parametrize("share", [10, 33, 50, 90])
def test_exactly_the_share_is_removed_even_with_ties(share) -> None:
    saliency = torch.zeros(2, 10, 10)
    saliency[1, 4, 4] = 1.0
    removed = removed_pixels(rank_pixels(saliency), share)
    assert removed.sum(1).tolist() == [share, share]
    assert removed[0, :share].all(), "ties go by position"
    assert removed[1].view(10, 10)[4, 4]
