from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.errors import TTameError
from ttame.explainers import lrp
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.relevance import copy_rule, linear_rule, product_rule, sum_rule
from ttame.explainers.families.roll_out import roll_out
from ttame.explainers.lrp import TransformerLRP

from ..backbones.attention.families import FAMILIES, PLAIN, make
from .golden_networks import golden_vit


def _close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    scale = expected.abs().max().item()
    torch.testing.assert_close(found.double(), expected, atol=tolerance * scale, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "of_map", "of_relevance"), [(torch.float64, 1e-8, 1e-8), (torch.float32, 5e-4, 5e-3)]
)
def test_golden_as_one_batch(golden, dtype, of_map, of_relevance) -> None:
    """The arrays were computed one image at a time; here the three are one batch."""
    arrays = golden("lrp_vit")
    backbone = golden_vit(arrays, last_epsilon=1e-5).to(dtype)
    targets = torch.stack([arrays[f"{index}.class_index"] for index in range(3)])
    images = arrays["images"].to(dtype)
    explainer = make_explainer("lrp", backbone)
    assert isinstance(explainer, TransformerLRP)
    layers = explainer.attention_relevance(images, targets)
    maps = explainer(images, targets)
    later = make_explainer("lrp", backbone, {"start_layer": 1})(images, targets)
    for index in range(3):
        near = 1e-5 if dtype == torch.float32 else 1e-8
        _close(torch.stack([layer.attention[index] for layer in layers]), arrays[f"{index}.attn"], near)
        _close(torch.stack([layer.gradient[index] for layer in layers]), arrays[f"{index}.attn_grad"], near)
        _close(torch.stack([layer.relevance[index] for layer in layers]), arrays[f"{index}.attn_cam"], of_relevance)
        _close(maps[index].flatten(), arrays[f"{index}.transformer_attribution"][0], of_map)
        _close(later[index].flatten(), arrays[f"{index}.transformer_attribution_start1"][0], of_map)


def test_golden_relevance_of_single_layers_and_without_gradient(golden) -> None:
    """The other products that the published code offers, made of the same relevances."""
    arrays = golden("lrp_vit")
    backbone = golden_vit(arrays, last_epsilon=1e-5).double()
    targets = torch.stack([arrays[f"{index}.class_index"] for index in range(3)])
    explainer = make_explainer("lrp", backbone)
    assert isinstance(explainer, TransformerLRP)
    layers = explainer.attention_relevance(arrays["images"].double(), targets)
    positive = [layer.relevance.relu().mean(1) for layer in layers]
    product = roll_out(positive, normalise_rows=False)
    for index in range(3):
        _close(product[index, 0, 1:], arrays[f"{index}.rollout"][0], 1e-8)
        _close(positive[-1][index, 0, 1:], arrays[f"{index}.last_layer"], 1e-8)
        _close(positive[1][index, 0, 1:], arrays[f"{index}.second_layer"], 1e-8)
        _close(layers[-1].attention.mean(1)[index, 0, 1:], arrays[f"{index}.last_layer_attn"], 1e-8)


@pytest.mark.parametrize("normalise", [True, False])
def test_golden_rollout(golden, normalise) -> None:
    arrays = golden("lrp_vit")
    backbone = golden_vit(arrays, last_epsilon=1e-5).double()
    explainer = make_explainer("rollout", backbone, {"normalise_rows": normalise})
    maps = explainer(arrays["images"].double(), torch.zeros(3, dtype=torch.long))
    name = "plain_rollout_rownorm" if normalise else "plain_rollout_norownorm"
    for index in range(3):
        _close(maps[index].flatten(), arrays[f"{index}.{name}"][0], 1e-8)


@pytest.mark.parametrize("family", PLAIN)
def test_relevance_is_conserved(family, monkeypatch) -> None:
    """A closed form: what goes into a block has the total of what came out, which is the 1 of the class."""
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]()).double()
    explainer = make_explainer("lrp", backbone)
    assert isinstance(explainer, TransformerLRP)
    images, targets = torch.randn(2, 3, 32, 32).double(), torch.tensor([1, 4])
    maps = explainer(images, targets)
    assert maps.shape == (2, 4, 4)
    assert (maps > 0).any()
    totals: list[Tensor] = []

    through_block = lrp._through_block

    def noting(*given: Any) -> tuple[Tensor, Tensor]:
        into, of_attention = through_block(*given)
        totals.append(into.sum((1, 2)))
        return into, of_attention

    monkeypatch.setattr(lrp, "_through_block", noting)
    layers = explainer.attention_relevance(images, targets)
    assert len(totals) == len(layers)
    torch.testing.assert_close(torch.stack(totals), torch.ones(len(layers), 2).double(), atol=1e-5, rtol=0)
    assert all((layer.relevance != 0).any() for layer in layers)


def test_rules_keep_the_total() -> None:
    torch.manual_seed(0)
    inputs, weight, relevance = torch.randn(3, 5).double(), torch.randn(4, 5).double(), torch.randn(3, 4).double()
    torch.testing.assert_close(linear_rule(inputs, weight, relevance).sum(1), relevance.sum(1), atol=1e-6, rtol=0)
    left, right = torch.randn(3, 2, 5).double(), torch.randn(3, 5, 4).double()
    relevance = torch.randn(3, 2, 4).double()
    for part in product_rule(left, right, relevance):
        torch.testing.assert_close(part.sum((1, 2)), relevance.sum((1, 2)) / 2, atol=1e-6, rtol=0)
    first, second, relevance = (torch.randn(3, 7).double() for _ in range(3))
    parts = sum_rule(first, second, relevance)
    # As published, each part is rescaled with the sign of the whole.
    torch.testing.assert_close(sum(part.sum(1) for part in parts), relevance.sum(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(copy_rule(first, *parts), parts[0] + parts[1], atol=1e-6, rtol=1e-6)


def test_linear_rule_is_the_rule_written_out() -> None:
    torch.manual_seed(1)
    inputs, weight, relevance = torch.randn(2, 3).double(), torch.randn(4, 3).double(), torch.rand(2, 4).double()
    expected = torch.zeros(2, 3).double()
    for image in range(2):
        for out in range(4):
            contributions = (inputs[image] * weight[out]).clamp(min=0)
            if contributions.sum() > 0:
                expected[image] += relevance[image, out] * contributions / (contributions.sum() + 1e-9)
    torch.testing.assert_close(linear_rule(inputs, weight, relevance), expected, atol=1e-9, rtol=0)


def test_what_it_cannot_explain_is_said_in_one_line(tiny_cnn) -> None:
    with pytest.raises(TTameError, match=r"lrp is defined on transformers alone.* tiny_cnn is none .*; use gradcam"):
        make_explainer("lrp", tiny_cnn)
    with pytest.raises(TTameError, match=r"start_layer: vit has 3 blocks"):
        make_explainer("lrp", make(FAMILIES["timm"]()), {"start_layer": 3})
