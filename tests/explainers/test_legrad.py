from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.explainers.explainer import make_explainer
from ttame.explainers.legrad import LeGrad

from ..backbones.attention.families import FAMILIES, make
from .attention_by_hand import layer_sensitivities, pooling_sensitivities
from .golden_networks import golden_vit


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_golden(golden, dtype, tolerance) -> None:
    arrays = golden("gae_legrad_vit")
    backbone = golden_vit(arrays).to(dtype)
    images, targets = arrays["images"].to(dtype), arrays["class_index"]
    explainer = make_explainer("legrad", backbone)
    assert isinstance(explainer, LeGrad)
    parts = torch.stack([arrays[f"legrad.layer.{layer}"] for layer in range(3)])
    torch.testing.assert_close(explainer.layer_maps(images, targets).double(), parts.double(), atol=tolerance, rtol=0)
    torch.testing.assert_close(explainer(images, targets).double(), arrays["legrad"].double(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("family", ["registers", "mean", "beit", "eva02", "dinov3", "siglip"])
def test_it_is_the_plain_loop(family) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images, targets = torch.randn(2, 3, 32, 32).double(), torch.tensor([1, 4])
    by_hand = pooling_sensitivities if family == "siglip" else layer_sensitivities
    expected = by_hand(backbone.model, images, targets)[:, :, -16:]
    explainer = make_explainer("legrad", backbone)
    assert isinstance(explainer, LeGrad)
    torch.testing.assert_close(explainer.layer_maps(images, targets).flatten(2), expected)
    torch.testing.assert_close(explainer(images, targets).flatten(1), expected.sum(0))


Heads = dict[str, Callable[[Any, Tensor], Tensor]]
# What the score of a layer is, of the mean (B, C) over its tokens.
HEADS: Heads = {
    "distilled": lambda model, mean: (model.head(model.norm(mean)) + model.head_dist(model.norm(mean))) / 2,
    "torchvision": lambda model, mean: model.heads(model.encoder.ln(mean)),
    "hf_vit": lambda model, mean: model.model.classifier(model.model.vit.layernorm(mean)),
    "hf_dinov2": lambda model, mean: model.model.classifier(model.model.dinov2.layernorm(mean).repeat(1, 2)),
}


@pytest.mark.parametrize("family", HEADS)
def test_scores_of_the_layers_where_the_head_is_another(family) -> None:
    """The two heads of DeiT, torchvision's, and those of transformers, one of which reads class token and mean."""
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images, targets = torch.randn(2, 3, 32, 32).double(), torch.tensor([3, 0])
    explainer = make_explainer("legrad", backbone)
    assert isinstance(explainer, LeGrad)
    tokens: list[Tensor] = []
    for block in explainer._attention.blocks:
        backbone.model.get_submodule(block).register_forward_hook(lambda _, __, output: tokens.append(output))
    backbone(images)
    expected = torch.cat([HEADS[family](backbone.model, layer.mean(1)) for layer in tokens])
    with explainer._all_layers_to_the_head():
        torch.testing.assert_close(backbone(images), expected)
    assert (explainer(images, targets) > 0).all()


@pytest.mark.parametrize("family", ["timm", "beit", "siglip", "torchvision"])
def test_one_pass_each_way(family) -> None:
    backbone = make(FAMILIES[family]())
    explainer = make_explainer("legrad", backbone)
    backbone.passes.forward = backbone.passes.backward = 0
    explainer(torch.randn(3, 3, 32, 32), torch.tensor([2, 0, 1]))
    assert (backbone.passes.forward, backbone.passes.backward) == (3, 3)
