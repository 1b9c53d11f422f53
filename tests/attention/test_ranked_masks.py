"""Ranked masks, and what is drawn for them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ttame.attention.draws import SMALLEST_TOP, draw
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.ranked_masks import rank_masks
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.params.attention import LossSettings

from .recipe import LOSS, RECIPE

BOTH = LossSettings(ranked_masks=0.5, blurred_fill=0.5)


def _by_a_loop(mask: Tensor, top: float) -> list[float]:
    """The formula of a mask's (h, w) pixels, one at a time."""
    if math.isnan(top):
        return [float(value) for value in mask.flatten()]
    values = [float(value) for value in mask.flatten()]
    lowest, highest = min(values), max(values)
    normalised = [(value - lowest) / (highest - lowest) for value in values]
    threshold = float(np.quantile(normalised, 1 - top))
    return [value / (1 + math.exp(-2 * (m - threshold) / 0.15)) for value, m in zip(values, normalised, strict=True)]


def test_ranked_masks_by_a_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(5, 1, 4, 7, generator=generator, dtype=torch.float64)
    tops = [0.05, 0.5, 1.0, math.nan, 0.33]
    ranked = rank_masks(masks, torch.tensor(tops, dtype=torch.float64))
    expected = [_by_a_loop(mask, top) for mask, top in zip(masks, tops, strict=True)]
    np.testing.assert_allclose(ranked.flatten(1).numpy(), expected, rtol=1e-12)
    assert torch.equal(ranked[3], masks[3])


def test_gradients_are_those_of_the_formula() -> None:
    masks = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    tops = torch.tensor([0.4, math.nan], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda given: rank_masks(given, tops), masks)


def test_a_constant_mask_has_finite_slopes() -> None:
    masks = torch.full((1, 1, 3, 3), 0.7, requires_grad=True)
    ranked = rank_masks(masks, torch.tensor([0.3]))
    torch.testing.assert_close(ranked, torch.full_like(ranked, 0.35))
    (gradient,) = torch.autograd.grad(ranked.sum(), masks)
    assert gradient.abs().max() < 2000


def test_draws_of_a_part_are_those_of_the_whole_batch() -> None:
    whole = draw(BOTH, [3, 1, 7], 0, 8, 8)
    parts = [draw(BOTH, [3, 1, 7], first, 4, 8) for first in (0, 4)]
    for name in ("tops", "blurred"):
        torch.testing.assert_close(
            torch.cat([getattr(part, name) for part in parts]), getattr(whole, name), equal_nan=True
        )
    for other in ([4, 1, 7], [3, 2, 7], [3, 1, 8]):
        assert str(draw(BOTH, other, 0, 8, 8)) != str(whole), other


def test_shares_of_the_draws() -> None:
    settings = LossSettings(ranked_masks=0.25, blurred_fill=0.75)
    drawn = draw(settings, [1, 0, 0], 0, 20000, 20000)
    assert drawn.tops is not None
    assert drawn.blurred is not None
    tops = drawn.tops[~drawn.tops.isnan()]
    assert len(tops) / 20000 == pytest.approx(0.25, abs=0.02)
    assert drawn.blurred.float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert (tops.min().item(), tops.max().item()) == pytest.approx((SMALLEST_TOP, 1.0), abs=0.01)
    assert tops.mean().item() == pytest.approx(0.525, abs=0.02)
    assert draw(LossSettings(), [1, 0, 0], 0, 4, 4) == draw(LossSettings(), [2, 0, 0], 0, 4, 4), "nothing is drawn"


def _training(backbone: Backbone, loss: LossSettings) -> AttentionTraining:
    torch.manual_seed(1)
    network = AttentionMechanism((8, 12, 16), 5).train()
    return AttentionTraining(backbone, network, backbone.layers, loss, RECIPE, 0.05, total_steps=12)


@pytest.mark.parametrize("change", [{"ranked_masks": 1.0}, {"blurred_fill": 1.0}])
def test_steps_see_the_draws_and_validation_does_not(tiny_cnn, change) -> None:
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plain, changed = _training(tiny_cnn, LOSS), _training(tiny_cnn, LOSS.model_copy(update=change))
    terms = [training.evaluate(images).loss for training in (plain, changed)]
    assert terms[0].cross_entropy.item() != terms[1].cross_entropy.item()
    assert (terms[0].area, terms[0].variation) == (terms[1].area, terms[1].variation)
    plain.network.eval()
    changed.network.load_state_dict(plain.network.state_dict())
    changed.network.eval()
    clean = [training.evaluate(images, together=False).loss.total.item() for training in (plain, changed)]
    assert clean[0] == clean[1]


def test_a_training_that_goes_on_draws_what_an_unbroken_one_draws(tiny_cnn, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(2)
    batches = torch.rand(6, 4, 3, 32, 32, generator=generator)
    unbroken, killed, resumed = (_training(tiny_cnn, BOTH) for _ in range(3))
    for batch in batches:
        unbroken.step(batch)
    for batch in batches[:3]:
        killed.step(batch)
    killed.save(tmp_path / "state.pt")
    resumed.resume(tmp_path / "state.pt")
    for batch in batches[3:]:
        resumed.step(batch)
    for name, tensor in unbroken.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
