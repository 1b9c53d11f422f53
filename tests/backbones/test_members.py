"""Ensembles: nobody but the user knows whose maps to read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.errors import NotDefined, TTameError
from ttame.explainers.explainer import make_explainer

from ..conftest import IMAGENET, TinyCNN


class Mean(nn.Module):
    """The mean of the logits; the second member sees the image in half the size."""

    def __init__(self, *members: nn.Module) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        smaller = functional.interpolate(images, scale_factor=0.5)
        return self.members[0](images) + self.members[1](smaller)


class Cleaned(nn.Module):
    """A chain of two networks that see an image, the second what the first makes of it."""

    def __init__(self) -> None:
        super().__init__()
        pooled = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(8 * 2 * 2, 6)]
        self.cleaning = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), *pooled)
        self.classifier = TinyCNN()

    def forward(self, images: Tensor) -> Tensor:
        gain, shift = self.cleaning(images).unflatten(1, (2, 3)).unbind(1)
        logits: Tensor = self.classifier(images * gain[..., None, None] + shift[..., None, None])
        return logits


def _transformer(side: int = 32) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=side, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=5)


def _backbone(model: nn.Module, *layers: str) -> Backbone:
    torch.manual_seed(0)
    preprocessing = Preprocessing((32, 32), 32, "bilinear", *IMAGENET)
    return Backbone("both", model, preprocessing, layers or None, layers[-1] if layers else None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mean(TinyCNN(), TinyCNN()),
        lambda: Mean(_transformer(), _transformer(16)),
        lambda: Mean(_transformer(), TinyCNN()),
    ],
)
def test_the_rule_does_not_choose_one_of_them(make: Callable[[], nn.Module]) -> None:
    with pytest.raises(
        TTameError,
        match=r"^models\.both: 'members\.0' and 'members\.1' see the image side by side, .*; name some in models\.both"
        r"\.layers and target_layer .*; layers that can be read are members\.0\.\S+, .*members\.1\.",
    ):
        _backbone(make())


def test_layers_that_are_named_are_read() -> None:
    backbone = _backbone(Mean(TinyCNN(), TinyCNN()), "members.0.stage2")
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    activation, gradient = backbone.activation_and_gradient(images, torch.tensor([1, 1]), "members.0.stage2")
    expected = (activation * gradient.mean((2, 3), keepdim=True)).sum(1).relu()
    torch.testing.assert_close(make_explainer("gradcam", backbone)(images.detach(), torch.tensor([1, 1])), expected)


def test_attention_of_two_transformers_is_no_single_one() -> None:
    backbone = _backbone(Mean(_transformer(), _transformer(16)), "members.0.blocks.1.norm1")
    for method in ("rollout", "lrp"):
        with pytest.raises(NotDefined):
            make_explainer(method, backbone)


def test_a_chain_of_networks_is_one_classifier() -> None:
    assert not _backbone(Cleaned()).trunk.members
