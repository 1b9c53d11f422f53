"""The test device refuses what a GPU refuses, so that the other tests here mean something."""

from __future__ import annotations

import pytest
import torch

from tests.device.accelerator import DEVICE, OnDevice
from ttame.explainers.explainer import make_explainer
from ttame.metrics import masking


def test_computes_as_the_cpu_does_and_stays_there() -> None:
    torch.manual_seed(0)
    here = torch.randn(4, 5)
    there = here.to(DEVICE)
    product = (there @ torch.ones(5, 2, device=there.device)).relu_()
    assert isinstance(product, OnDevice)
    assert product.device == DEVICE
    assert torch.equal(product.cpu(), (here @ torch.ones(5, 2)).relu())
    leaf = there.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(leaf.square().sum(), leaf)
    assert isinstance(gradient, OnDevice)
    assert torch.equal(gradient.cpu(), 2 * here)


def test_changes_in_place_reach_views_and_bases() -> None:
    there = torch.zeros(4, 3, device=DEVICE)
    there[1] += 1.0
    there[:, 2].fill_(5.0)
    assert there.cpu().tolist() == [[0, 0, 5], [1, 1, 5], [0, 0, 5], [0, 0, 5]]


def test_tensors_of_both_sides_are_refused_but_for_scalars_and_indices() -> None:
    there = torch.arange(6.0, device=DEVICE)
    with pytest.raises(RuntimeError, match="expected all tensors on one device"):
        there + torch.ones(6)
    with pytest.raises(RuntimeError, match="expected all tensors on one device"):
        torch.ones(6)[there.long()]
    assert (there + torch.tensor(1.0)).cpu().tolist() == [1, 2, 3, 4, 5, 6]
    assert there[torch.tensor([1, 3])].cpu().tolist() == [1, 3]


def test_numpy_cannot_see_it() -> None:
    with pytest.raises((TypeError, RuntimeError)):
        torch.ones(3, device=DEVICE).numpy()


def test_copies_and_waits_are_counted(asked) -> None:
    there = torch.arange(6.0, device=DEVICE)
    assert asked(lambda: there + 1).waits == 0
    assert asked(lambda: there.sum().item()).waits == 1
    assert asked(there.cpu).bytes == 24
    assert asked(there.cpu).waits == 1
    assert asked(lambda: torch.ones(6).to(DEVICE)).bytes == 24
    assert asked(lambda: torch.ones(6).to(DEVICE)).waits == 0
    assert asked(lambda: there[there > 2]).waits == 1
    assert asked(lambda: there.view(2, 3).t()).launches == 0
    assert asked(lambda: torch.ones(6) + 1).launches == 0


def test_a_misplaced_constant_is_found(pair, images, monkeypatch) -> None:
    """As if somebody had forgotten the device of a tensor in the code."""
    backbone = pair[1]
    clean, targets = backbone.normalise(images.to(DEVICE)), torch.zeros(len(images), dtype=torch.int64, device=DEVICE)
    make_explainer("gradcam", backbone)(clean, targets)
    to_maps = backbone.to_maps
    monkeypatch.setattr(backbone, "to_maps", lambda shown: to_maps(shown) * torch.ones(1, 1, 1, 1))
    with pytest.raises(RuntimeError, match="expected all tensors on one device"):
        make_explainer("gradcam", backbone)(clean, targets)
    with pytest.raises(RuntimeError, match="expected all tensors on one device"):
        masking.keep_most_salient(torch.rand(2, 8, 8).to(DEVICE), 50) * torch.ones(2, 8, 8)
