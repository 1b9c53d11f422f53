from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from ttame.metrics.adcc import adcc, coherency, complexity


def test_coherency_is_the_correlation_of_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(4, 7, 9, generator=generator), torch.rand(4, 7, 9, generator=generator)
    second[1] = first[1]
    second[2] = 1 - first[2]
    for index, value in enumerate(coherency(first, second).tolist()):
        correlation = scipy.stats.pearsonr(first[index].flatten().numpy(), second[index].flatten().numpy()).statistic
        assert value == pytest.approx((1 + correlation) / 2, abs=1e-6)
    assert coherency(first, second)[1:3].tolist() == pytest.approx([1.0, 0.0])


def test_constant_map_has_no_correlation() -> None:
    assert coherency(torch.zeros(1, 4, 4), torch.rand(1, 4, 4)).tolist() == [0.5]
    assert coherency(torch.full((1, 4, 4), 0.3), torch.full((1, 4, 4), 0.3)).tolist() == [0.5]


def test_complexity_is_the_share_that_is_covered() -> None:
    saliency = torch.zeros(3, 4, 4)
    saliency[1, :2] = 1
    saliency[2] = 1
    assert complexity(saliency).tolist() == [0.0, 0.5, 1.0]


def test_adcc_is_the_harmonic_mean_of_scipy() -> None:
    drop, coherent, complex_ = (torch.tensor(values) for values in ([0.2, 0.9], [0.7, 0.4], [0.3, 0.05]))
    expected = scipy.stats.hmean(np.stack([1 - drop.numpy(), coherent.numpy(), 1 - complex_.numpy()]))
    np.testing.assert_allclose(adcc(drop, coherent, complex_).numpy(), expected, rtol=1e-6)


def test_adcc_is_zero_where_one_part_is_at_its_worst() -> None:
    worst = [(1.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 1.0)]
    assert adcc(*torch.tensor(worst).T).tolist() == [0.0, 0.0, 0.0]
