from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision.models
from torch import Tensor, nn

from ttame.backbones.attention_layers import AttentionStep, attention_layers, tapped
from ttame.backbones.backbone import Backbone
from ttame.backbones.transformer_blocks import read_transformer
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

from ..conftest import IMAGENET

SIZE: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 5}


def _vit(**options: Any) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(**SIZE, **options)


def _distilled() -> nn.Module:
    from timm.models.deit import VisionTransformerDistilled

    return VisionTransformerDistilled(**SIZE)


def _torchvision() -> nn.Module:
    model = torchvision.models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=5)
    nn.init.normal_(model.heads.head.weight)
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "timm": _vit,
    "registers": lambda: _vit(reg_tokens=3),
    "query_norm": lambda: _vit(qk_norm=True),
    "layer_scale": lambda: _vit(init_values=0.1),
    "distilled": _distilled,
    "torchvision": _torchvision,
}


def make(model: nn.Module) -> Backbone:
    return Backbone("vit", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET))


@pytest.mark.parametrize("kind", MODELS)
def test_attention_in_the_open_gives_the_same_logits(kind) -> None:
    torch.manual_seed(0)
    backbone = make(MODELS[kind]())
    layers = attention_layers(backbone, "rollout")
    images = torch.randn(2, 3, 32, 32)
    expected = backbone(images)
    seen: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        assert number == len(seen)
        seen.append(step.weights)
        return step.weights

    with tapped(layers, tap):
        torch.testing.assert_close(backbone(images), expected, atol=1e-5, rtol=1e-5)
    tokens = 16 + backbone.tokens.prefix_tokens  # type: ignore[union-attr]
    assert [weights.shape for weights in seen] == [(2, 2, tokens, tokens)] * 3
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(2, 2, tokens))
    assert torch.equal(backbone(images), expected), "the fused attention is back"
    assert len(read_transformer(backbone, "lrp").blocks) == 3


def test_fused_attention_is_back_after_an_error() -> None:
    backbone = make(_vit())
    layers = attention_layers(backbone, "rollout")

    def tap(_: int, __: AttentionStep) -> Tensor:
        raise KeyError

    with pytest.raises(KeyError), tapped(layers, tap):
        backbone(torch.randn(1, 3, 32, 32))
    assert all("forward" not in module.__dict__ for module in backbone.model.modules())


def test_transformer_that_it_does_not_know_is_refused_in_one_line(tiny_cnn) -> None:
    with pytest.raises(TTameError, match="finds no attention layer that it knows in tiny_cnn"):
        attention_layers(tiny_cnn, "lrp")
    with pytest.raises(TTameError, match="classifies by a mean over tokens"):
        attention_layers(make(_vit(global_pool="avg")), "lrp")
    with pytest.raises(TTameError, match="classifies by a mean over tokens"):
        attention_layers(make(_vit(class_token=False, global_pool="avg")), "rollout")

    from timm.models.vision_transformer import ResPostBlock

    with pytest.raises(TTameError, match="is built in another way"):
        read_transformer(make(_vit(block_fn=ResPostBlock)), "lrp")
