from __future__ import annotations

import pytest
import torch

from ttame.explainers.explainer import make_explainer

from ..backbones.attention.families import FAMILIES, make
from .attention_by_hand import with_gradients, with_gradients_of_pooling
from .golden_networks import golden_vit


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_golden(golden, dtype, tolerance) -> None:
    arrays = golden("gae_legrad_vit")
    backbone = golden_vit(arrays).to(dtype)
    maps = make_explainer("gae", backbone)(arrays["images"].to(dtype), arrays["class_index"])
    torch.testing.assert_close(maps.double(), arrays["gae"].double(), atol=tolerance, rtol=0)


def test_golden_of_the_published_code(golden) -> None:
    arrays = golden("iia_vit")
    targets = torch.stack([arrays[f"{index}.class_index"] for index in range(2)])
    maps = make_explainer("gae", golden_vit(arrays))(arrays["images"][:2], targets)
    for index in range(2):
        torch.testing.assert_close(maps[index].flatten(), arrays[f"{index}.gae"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("family", ["registers", "distilled", "beit", "eva02", "dinov3", "siglip"])
def test_it_is_the_plain_loop(family) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    images, targets = torch.randn(2, 3, 32, 32).double(), torch.tensor([1, 4])
    found = make_explainer("gae", backbone)(images, targets)
    pools = family == "siglip"
    layers = (with_gradients_of_pooling if pools else with_gradients)(backbone.model, images, targets)
    relevance = torch.eye(layers[0].shape[-1]).double().expand(2, -1, -1)
    for layer in layers[:3]:
        relevance = relevance + layer @ relevance
    if pools:
        relevance = layers[3] @ relevance
    mean = {"beit": 1, "eva02": 1, "dinov3": 5}
    row = relevance[:, mean[family] :].mean(1) if family in mean else relevance[:, 0]
    torch.testing.assert_close(found.flatten(1), row[:, -16:])


@pytest.mark.parametrize("family", ["timm", "beit", "siglip", "torchvision"])
def test_one_pass_each_way(family) -> None:
    backbone = make(FAMILIES[family]())
    explainer = make_explainer("gae", backbone)
    backbone.passes.forward = backbone.passes.backward = 0
    explainer(torch.randn(3, 3, 32, 32), torch.tensor([2, 0, 1]))
    assert (backbone.passes.forward, backbone.passes.backward) == (3, 3)
