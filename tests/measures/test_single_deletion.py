from __future__ import annotations

from typing import Any

import pytest
import scipy.stats
import torch
from torch import nn

from ttame.measures.column import SILENT
from ttame.measures.measure import cell_masks
from ttame.measures.options import SingleDeletionOptions
from ttame.measures.single_deletion import SingleDeletion, cell_correlation, cell_drops
from ttame.store.basis_file import Basis


def test_golden_drops_sums_and_correlations(golden) -> None:
    arrays = golden("single_deletion")
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 6),
    ).double()
    model.load_state_dict({name: arrays[f"param.{name}"] for name in model.state_dict()})
    with torch.no_grad():
        drops = cell_drops(model, arrays["images"], SingleDeletionOptions(), arrays["targets"])
    torch.testing.assert_close(drops, arrays["logit_drops"], rtol=0, atol=1e-9)
    found = cell_correlation(arrays["saliency"], drops)
    torch.testing.assert_close(found, arrays["spearman"].nan_to_num(0.0), rtol=0, atol=1e-9)


def test_correlation_is_that_of_scipy() -> None:
    torch.manual_seed(0)
    saliency, drops = torch.rand(6, 24, 24), torch.randn(6, 9)
    found = cell_correlation(saliency, drops)
    for image, (maps, fallen) in enumerate(zip(saliency, drops, strict=True)):
        sums = [maps[row : row + 8, column : column + 8].sum().item() for row in (0, 8, 16) for column in (0, 8, 16)]
        assert found[image].item() == pytest.approx(scipy.stats.spearmanr(sums, fallen)[0], abs=1e-12)


def test_cells_that_differ_by_rounding_alone_are_tied() -> None:
    torch.manual_seed(0)
    drops = torch.randn(1, 16)
    even = torch.full((1, 32, 32), 0.1)
    assert cell_correlation(even * (1 + 1e-7 * torch.rand(1, 32, 32)), drops).item() == 0
    assert cell_correlation(torch.zeros(1, 32, 32), drops).item() == 0
    half = even.clone()
    half[:, :16] = 0.9
    exact = cell_correlation(half, drops)
    noisy = cell_correlation(half * (1 + 1e-8 * torch.rand(1, 32, 32)), drops)
    assert noisy.item() == exact.item() != 0


def test_maps_that_say_the_same_of_every_cell_are_counted() -> None:
    maps = torch.zeros(3, 1, 32, 32)
    maps[1] = 0.5
    maps[2, :, :8, :8] = 1
    basis = Basis(["a", "b", "c"], (32, 32), {"drops": torch.rand(3, 16)})
    subject: Any = None  # no pass is made
    found = SingleDeletion(SingleDeletionOptions()).judge(subject, maps[:, 0], basis, subject)
    assert found[SILENT].tolist() == [True, True, False]
    assert found["single_deletion"][:2].tolist() == [0, 0]


def test_cells_cover_the_image_once() -> None:
    cells = cell_masks((12, 24), 4)
    assert cells.shape == (16, 12, 24)
    assert cells.sum(0).eq(1).all()
    assert cells[1, :3, 6:12].all(), "row by row"
