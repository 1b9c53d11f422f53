from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.token_linear import TokenLinear


@pytest.mark.parametrize("images", [1, 20])  # oneDNN takes convolutions of one pixel where 16 images go in at once
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_a_linear_layer(images: int, bias: bool) -> None:
    torch.manual_seed(0)
    ours, peer = TokenLinear(12, 7, bias=bias), nn.Linear(12, 7, bias=bias)
    ours.load_state_dict(peer.state_dict())
    tokens, weights = torch.randn(images, 5, 12), torch.randn(images, 5, 7)

    def gradients(layer: nn.Linear) -> list[Tensor]:
        asked = tokens.clone().requires_grad_()
        outputs = layer(asked)
        assert outputs.shape == (images, 5, 7)
        assert outputs.is_contiguous()
        return [outputs, *torch.autograd.grad((outputs * weights).sum(), [asked, *layer.parameters()])]

    for found, expected in zip(gradients(ours), gradients(peer), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_and_autocast() -> None:
    layer = TokenLinear(12, 7)
    tokens = torch.randn(20, 5, 12)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(tokens).dtype == torch.bfloat16
    assert layer.to(torch.bfloat16)(tokens.to(torch.bfloat16)).dtype == torch.bfloat16
