from __future__ import annotations

import pytest
import torch

from ttame.attention.loss import attention_loss, mask_area, mask_variation
from ttame.params.attention import LossSettings

WEIGHTS = LossSettings()


@pytest.mark.parametrize("case", ["random", "diagonal", "random3d"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_golden(golden, case, dtype) -> None:
    arrays = golden("losses")
    masks = arrays[f"{case}.masks"].to(dtype).requires_grad_()
    logits = arrays[f"{case}.logits"].to(dtype).requires_grad_()
    loss = attention_loss(masks, logits, arrays[f"{case}.labels"], WEIGHTS)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for name in ("total", "cross_entropy", "area", "variation"):
        torch.testing.assert_close(getattr(loss, name).double(), arrays[f"{case}.{name}"], rtol=tolerance, atol=0)
    gradients = torch.autograd.grad(loss.total, (masks, logits))
    for name, gradient in zip(("masks", "logits"), gradients, strict=True):
        expected = arrays[f"{case}.grad.{name}"]
        torch.testing.assert_close(gradient.double(), expected, rtol=10 * tolerance, atol=1e-7)


def test_area_of_constant_masks() -> None:
    assert mask_area(torch.full((2, 3, 4, 4), 0.5)).item() == pytest.approx(0.5005**0.3)
    assert mask_area(torch.full((2, 3, 4, 4), 0.5), 0.5).item() == pytest.approx(0.5005**0.5)


def test_variation_of_one_bright_pixel() -> None:
    masks = torch.zeros(1, 1, 5, 5)
    masks[0, 0, 2, 2] = 1.0
    assert mask_variation(masks).item() == pytest.approx(4 / 2)  # four neighbours, no border
    corner = torch.zeros(1, 1, 5, 5)
    corner[0, 0, 0, 0] = 1.0
    assert mask_variation(corner).item() == pytest.approx((2 + 0.3 * 2) / 2)  # a corner is on two borders


def test_mask_of_zeros_has_a_finite_gradient() -> None:
    masks = torch.zeros(1, 1, 4, 4, requires_grad=True)
    mask_area(masks).backward()
    assert masks.grad is not None
    assert masks.grad.isfinite().all()
