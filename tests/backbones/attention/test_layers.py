from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.attention.layers import AttentionLayers, attention_layers
from ttame.backbones.tokens import TokenLayout
from ttame.backbones.transformer_blocks import read_transformer
from ttame.errors import NotDefined
from ttame.explainers.explainer import make_explainer

from . import users
from .families import FAMILIES, PLAIN, make, vit
from .users import Pooling, Users

CLASS_TOKEN, ALL = (slice(0, 1),), (slice(0, None),)
DECIDING: dict[str, tuple[slice, ...]] = {
    "mean": ALL,
    "mean_of_patches": (slice(3, None),),
    "mean_of_all": ALL,
    "beit": (slice(1, None),),
    "relative": ALL,
    "eva": (slice(1, None),),
    "eva02": (slice(1, None),),
    "dinov3": (slice(5, None),),
    "hf_dinov2": (slice(0, 1), slice(1, None)),
}
"""What is not the class token."""
CONTAINERS = {
    "torchvision": "encoder.layers.encoder_layer_",
    "hf_vit": "model.vit.layers.",
    "hf_dinov2": "model.dinov2.encoder.layer.",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_found_of_every_family(family) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]())
    passes = backbone.passes.forward
    layers = attention_layers(backbone, "rollout")
    assert layers.deciding == DECIDING.get(family, CLASS_TOKEN)
    assert layers.pools == (family == "siglip")
    assert layers.count == 3 + layers.pools
    container = CONTAINERS.get(family, "blocks.")
    assert layers.blocks == tuple(f"{container}{number}" for number in range(3))
    assert backbone.passes.forward == passes, "a trial is no pass of a method"


@pytest.mark.parametrize("family", FAMILIES)
def test_relevance_propagation_knows_the_plain_ones_and_refuses_the_others(family) -> None:
    torch.manual_seed(0)
    backbone = make(FAMILIES[family]())
    if family in PLAIN:
        assert len(read_transformer(backbone, "lrp").blocks) == 3
        return
    with pytest.raises(NotDefined, match=r"^lrp (knows the ViT and DeiT|has rules for a head on the class token)"):
        read_transformer(backbone, "lrp")


def test_head_of_zeros_reads_the_class_token() -> None:
    model = vit()
    backbone = make(model)
    nn.init.zeros_(model.head.weight)  # type: ignore[union-attr, arg-type]
    assert attention_layers(backbone, "gae").deciding == CLASS_TOKEN


def test_one_block_is_enough() -> None:
    assert attention_layers(make(vit(depth=1)), "gae").blocks == ("blocks.0",)


def test_row_that_decides() -> None:
    rows = torch.arange(2 * 7 * 7.0).reshape(2, 7, 7)
    layout = TokenLayout(1, (2, 3))

    def found(*deciding: slice) -> Tensor:
        return AttentionLayers(("a",), False, deciding, layout).deciding_map(rows)

    torch.testing.assert_close(found(slice(0, 1)), rows[:, 0, 1:].reshape(2, 2, 3))
    torch.testing.assert_close(found(slice(1, None)), rows[:, 1:, 1:].mean(1).reshape(2, 2, 3))
    both = (rows[:, 0, 1:] + rows[:, 1:, 1:].mean(1)) / 2
    torch.testing.assert_close(found(slice(0, 1), slice(1, None)), both.reshape(2, 2, 3))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "softmax by hand": (lambda: Users(users.by_hand), "attention that is not torch's"),
    "eager": (users.hugging_face_eager, "attention that is not torch's"),
    "windows": (lambda: Users(users.windows), r"weights of shape \(2, 4, 4, 4\), not \(heads, 16, 16\)"),
    "two in a block": (lambda: Users(users.difference), "a block of it has two layers of attention"),
    "differential": (users.differential, "a block of it has two layers of attention"),
    "parallel": (users.parallel, "a block of it has two layers of attention"),
    "no gradients": (users.WithoutGradients, "its forward leaves no gradients"),
    "no blocks": (users.WithoutBlocks, "its layers are not in blocks"),
    "a forward of its own": (
        lambda: Users(attention=lambda _: users.Doubled(24, 2, batch_first=True)),
        "attention that is not torch's",
    ),
    "another arithmetic": (lambda: Users(attention=users.Sharper), "computed in the open it gives other outputs"),
    "shifted tokens": (
        lambda: Users(ending=lambda tokens: tokens + 0.3 * tokens.roll(1, 1)),
        "reach each other in another way",
    ),
    "norm over tokens": (
        lambda: Users(ending=lambda t: t / t.norm(dim=1, keepdim=True)),
        "reach each other in another",
    ),
    "pooling and mean": (
        lambda: Users(pool=Pooling(lambda pooled, mean: pooled + mean)),
        "its head reads tokens beside what attention pools",
    ),
    "maximum": (lambda: Users(pool=lambda tokens: tokens.amax(1)), "neither the class token nor a mean"),
    "some patches": (lambda: Users(pool=lambda tokens: tokens[:, 4:].mean(1)), "neither the class token nor a mean"),
    "weights by position": (
        lambda: Users(pool=lambda tokens: tokens.transpose(1, 2) @ torch.arange(16.0)),
        "neither the class token nor a mean",
    ),
    "mean and maximum": (lambda: vit(global_pool="avgmax"), "neither the class token nor a mean"),
}


def test_transformer_of_a_user_is_followed() -> None:
    layers = attention_layers(make(Users()), "gae")
    assert (layers.deciding, layers.blocks) == (ALL, ("blocks.0", "blocks.1", "blocks.2"))


def test_pooling_of_a_user_is_followed() -> None:
    layers = attention_layers(make(Users(pool=Pooling(lambda pooled, _: pooled))), "gae")
    assert (layers.pools, layers.count, layers.deciding) == (True, 4, CLASS_TOKEN)


@pytest.mark.parametrize("method", ["rollout", "iia", "gae", "legrad"])
def test_pooling_that_the_head_leaves_aside_changes_nothing(method) -> None:
    """As in transformers' classifier by SigLIP, which computes it for another head."""
    options = {"steps": 2} if method == "iia" else {}
    images, targets = torch.randn(2, 3, 32, 32), torch.tensor([3, 1])
    model: Any = Users(pool=Pooling(lambda _, mean: mean))
    backbone = make(model)
    found = make_explainer(method, backbone, options)(images, targets)
    del model.pool
    model.pool = lambda tokens: tokens.mean(1)
    assert torch.equal(found, make_explainer(method, backbone, options)(images, targets))


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_looks_alike_is_refused_in_one_line(case) -> None:
    torch.manual_seed(0)
    build, message = REFUSED[case]
    model = build()
    backbone = make(model)
    said = (
        f"^gae cannot follow the attention of vit: .*{message}.*; use a method that reads no attention, such as gradcam"
    )
    with pytest.raises(NotDefined, match=said) as refusal:
        attention_layers(backbone, "gae")
    assert "\n" not in str(refusal.value)


def test_classifier_without_tokens_is_refused(tiny_cnn) -> None:
    with pytest.raises(NotDefined, match="rollout cannot follow the attention of tiny_cnn: it has no tokens"):
        attention_layers(tiny_cnn, "rollout")
