from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.attention.opening import AttentionStep, opened
from ttame.backbones.backbone import Backbone

from .families import FAMILIES, make, vit
from .oracle import attention_weights


def _same(_: int, step: AttentionStep) -> Tensor:
    return step.weights


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_the_models_own_and_so_are_the_logits(family) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images = torch.randn(2, 3, 32, 32).double()
    logits, expected = backbone(images), attention_weights(backbone.model, images)
    seen: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        assert number == len(seen)
        seen.append(step.weights)
        return step.weights

    with opened(backbone.model, tap) as mode:
        torch.testing.assert_close(backbone(images), logits)
    assert (mode.count, mode.hidden) == (len(expected), False)
    torch.testing.assert_close(seen, expected)
    assert torch.equal(backbone(images), logits), "the fused attention is back"


@pytest.mark.parametrize("family", ["beit", "siglip", "torchvision"])
def test_gradient_of_a_logit_is_its_change(family) -> None:
    """The logit's change when one layer's attention moves a little along a direction."""
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images, step = torch.randn(1, 3, 32, 32).double(), 1e-5
    with opened(backbone.model, _same) as mode:
        backbone(images)
    for layer in range(mode.count):
        with _moved(backbone, layer, lambda weights: weights.detach().requires_grad_()) as leaves:
            (gradient,) = torch.autograd.grad(backbone(images)[0, 3], leaves)
        direction = torch.randn_like(gradient)
        ends = []
        for move in (step * direction, -step * direction):
            with _moved(backbone, layer, partial(torch.add, move)):
                ends.append(backbone(images)[0, 3])
        change = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(change, (gradient * direction).sum(), atol=1e-8, rtol=1e-6)


@contextmanager
def _moved(backbone: Backbone, layer: int, move: Callable[[Tensor], Tensor]) -> Iterator[list[Tensor]]:
    """The weights of one layer are what `move` makes of them."""
    moved: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        if number != layer:
            return step.weights
        moved.append(move(step.weights))
        return moved[0]

    with opened(backbone.model, tap):
        yield moved


@pytest.mark.parametrize("mask", ["scores", "choice", "none"])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_arguments_mean_what_they_mean_to_torch(mask, scale) -> None:
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    given = {"scores": torch.randn(3, 5, 5), "choice": torch.eye(5) + torch.randn(5, 5) > 0.5, "none": None}[mask]
    arguments = (query, key, value, given)
    expected = functional.scaled_dot_product_attention(*arguments, scale=scale)
    with opened(nn.Identity(), _same):
        torch.testing.assert_close(functional.scaled_dot_product_attention(*arguments, scale=scale), expected)


@pytest.mark.parametrize(
    "attend",
    [
        lambda tokens: functional.scaled_dot_product_attention(tokens, tokens, tokens, is_causal=True),
        lambda tokens: (tokens @ tokens.transpose(2, 3)).softmax(-1) @ tokens,
        lambda tokens: functional.softmax(tokens @ tokens.transpose(2, 3), dim=-1) @ tokens,
        lambda tokens: nn.MultiheadAttention(4, 2)(*[tokens[0]] * 3)[0],
    ],
)
def test_attention_that_is_not_opened_is_noticed_and_stays_what_it_is(attend) -> None:
    tokens = torch.randn(2, 3, 5, 4)
    torch.manual_seed(0)
    expected = attend(tokens)
    torch.manual_seed(0)
    with opened(nn.Identity(), _same) as mode:
        assert torch.equal(attend(tokens), expected)
    assert (mode.hidden, mode.count) == (True, 0)


def test_softmax_of_logits_is_no_attention() -> None:
    with opened(nn.Identity(), _same) as mode:
        torch.randn(2, 5).softmax(1)
    assert not mode.hidden


def test_a_forward_of_the_users_own_stays() -> None:
    layer = nn.MultiheadAttention(24, 2, batch_first=True).eval()
    own = layer.forward
    layer.__dict__["forward"] = own
    with opened(layer, _same):
        assert layer.__dict__["forward"] is own
    assert layer.__dict__["forward"] is own


def test_multihead_attention_that_pools() -> None:
    """A query of its own, as in the pooling of SigLIP by transformers."""
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(24, 2, batch_first=True).eval()
    nn.init.normal_(layer.in_proj_bias)
    query, tokens = torch.randn(2, 1, 24), torch.randn(2, 5, 24)
    expected, weights = layer(query, tokens, tokens, average_attn_weights=False)
    seen: list[Tensor] = []

    def tap(_: int, step: AttentionStep) -> Tensor:
        seen.append(step.weights)
        return step.weights

    with opened(layer, tap):
        torch.testing.assert_close(layer(query, tokens, tokens, need_weights=False)[0], expected)
    torch.testing.assert_close(seen, [weights])


def test_attention_that_timm_computes_without_the_kernel_is_opened_too() -> None:
    backbone = make(vit())
    for block in backbone.model.blocks:  # type: ignore[union-attr]
        block.attn.fused_attn = False
    images = torch.randn(1, 3, 32, 32)
    expected = backbone(images)
    with opened(backbone.model, _same) as mode:
        torch.testing.assert_close(backbone(images), expected)
    assert (mode.count, mode.hidden) == (3, False)
    assert not any(block.attn.fused_attn for block in backbone.model.blocks)  # type: ignore[union-attr]


@pytest.mark.parametrize("family", ["timm", "torchvision"])
def test_fused_attention_is_back_after_an_error(family) -> None:
    backbone = make(FAMILIES[family]())
    images = torch.randn(1, 3, 32, 32)
    expected = backbone(images)

    def tap(_: int, __: AttentionStep) -> Tensor:
        raise KeyError

    with pytest.raises(KeyError), opened(backbone.model, tap):
        backbone(images)
    assert all("forward" not in module.__dict__ for module in backbone.model.modules())
    assert torch.equal(backbone(images), expected)
