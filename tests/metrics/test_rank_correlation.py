from __future__ import annotations

import pytest
import scipy.stats
import torch

from ttame.metrics.rank_correlation import rank_correlation


def test_against_scipy_with_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(0, 5, (4, 6, 7), generator=generator).float()
    second = torch.rand(4, 6, 7, generator=generator)
    for index, value in enumerate(rank_correlation(first, second).tolist()):
        expected = scipy.stats.spearmanr(first[index].flatten().numpy(), second[index].flatten().numpy()).statistic
        assert value == pytest.approx(expected)


def test_order_is_all_that_counts() -> None:
    maps = torch.randn(3, 5, 5)
    assert rank_correlation(maps, maps.exp()).tolist() == pytest.approx([1, 1, 1])
    assert rank_correlation(maps, -maps).tolist() == pytest.approx([-1, -1, -1])


def test_a_constant_map_has_no_order() -> None:
    assert rank_correlation(torch.ones(1, 4, 4), torch.rand(1, 4, 4)).tolist() == [0.0]
