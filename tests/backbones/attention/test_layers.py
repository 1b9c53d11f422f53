from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.attention.layers import AttentionLayers, attention_layers
from ttame.backbones.tokens import TokenLayout
from ttame.backbones.transformer_blocks import read_transformer
from ttame.errors import NotDefined

from .families import FAMILIES, PLAIN, hugging_face, make, vit

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


Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module):
    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.qkv, self.proj, self.attend = nn.Linear(24, 72), nn.Linear(24, 24), attend

    def forward(self, tokens: Tensor) -> Tensor:
        query, key, value = self.qkv(tokens).unflatten(2, (3, 2, 12)).permute(2, 0, 3, 1, 4)
        return self.proj(self.attend(query, key, value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, attention: nn.Module, ending: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attention, self.ending = nn.LayerNorm(24), nn.LayerNorm(24), attention, ending

    def forward(self, tokens: Tensor) -> Tensor:
        return self.ending(self.norm2(tokens + self.attention(self.norm1(tokens))))


class Patches(nn.Conv2d):
    grid_size = (4, 4)


class Users(nn.Module):
    """A transformer that a user wrote, of 16 patches and no class token; each argument can make it another thing."""

    num_prefix_tokens = 0

    def __init__(
        self,
        attend: Attend = functional.scaled_dot_product_attention,
        attention: Callable[[Attend], nn.Module] = Attention,
        ending: Callable[[Tensor], Tensor] = torch.tanh,
        pool: Callable[[Tensor], Tensor] = lambda tokens: tokens.mean(1),
    ) -> None:
        super().__init__()
        self.patch_embed = Patches(3, 24, 8, 8)
        self.blocks = nn.Sequential(*(Block(attention(attend), ending) for _ in range(3)))
        self.head, self.pool = nn.Linear(24, 5), pool

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        return self.head(self.pool(self.blocks(tokens)))


class WithoutBlocks(Users):
    """The same, but its attention layers stand in a list of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(Attention(functional.scaled_dot_product_attention) for _ in range(3))

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        for attention in self.attentions:
            tokens = tokens + attention(tokens)
        return self.head(self.pool(tokens))


class Doubled(nn.MultiheadAttention):
    """Its forward is not torch's."""

    def forward(self, tokens: Tensor) -> Tensor:  # type: ignore[override]
        return 2 * super().forward(tokens, tokens, tokens, need_weights=False)[0]


class Sharper(Attention):
    """Has timm's switch, and another arithmetic behind it."""

    fused_attn = False

    def forward(self, tokens: Tensor) -> Tensor:
        return super().forward(tokens if self.fused_attn else 1.1 * tokens)


def _by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return (query @ key.transpose(2, 3)).softmax(-1) @ value


def _windows(*parts: Tensor) -> Tensor:
    windows = [part.unflatten(2, (4, 4)) for part in parts]
    return functional.scaled_dot_product_attention(*windows).flatten(2, 3)


def _difference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    attend = functional.scaled_dot_product_attention
    return attend(query, key, value) - 0.5 * attend(key, query, value)


def _hugging_face_eager() -> nn.Module:
    model = hugging_face("ViT")
    model.model.set_attn_implementation("eager")
    return model


def _timms_difference() -> nn.Module:
    from timm.layers import DiffAttention

    return vit(attn_layer=DiffAttention)


def _parallel() -> nn.Module:
    from timm.models.vision_transformer import ParallelThingsBlock

    return vit(block_fn=ParallelThingsBlock)


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "softmax by hand": (lambda: Users(_by_hand), "attention that is not torch's"),
    "eager": (_hugging_face_eager, "attention that is not torch's"),
    "windows": (lambda: Users(_windows), r"weights of shape \(2, 4, 4, 4\), not \(heads, 16, 16\)"),
    "two in a block": (lambda: Users(_difference), "a block of it has two layers of attention"),
    "differential": (_timms_difference, "a block of it has two layers of attention"),
    "parallel": (_parallel, "a block of it has two layers of attention"),
    "no blocks": (WithoutBlocks, "its layers are not in blocks"),
    "a forward of its own": (
        lambda: Users(attention=lambda _: Doubled(24, 2, batch_first=True)),
        "attention that is not torch's",
    ),
    "another arithmetic": (lambda: Users(attention=Sharper), "computed in the open it gives other outputs"),
    "shifted tokens": (lambda: Users(ending=lambda tokens: tokens.roll(1, 1)), "reach each other in another way"),
    "norm over tokens": (
        lambda: Users(ending=lambda t: t / t.norm(dim=1, keepdim=True)),
        "reach each other in another",
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


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_looks_alike_is_refused_in_one_line(case) -> None:
    torch.manual_seed(0)
    build, message = REFUSED[case]
    model = build()
    backbone = make(model, [next(name for name, _ in model.named_children())])
    with pytest.raises(NotDefined, match=f"^gae cannot follow the attention of vit: .*{message}") as refusal:
        attention_layers(backbone, "gae")
    assert "\n" not in str(refusal.value)


def test_classifier_without_tokens_is_refused(tiny_cnn) -> None:
    with pytest.raises(NotDefined, match="rollout cannot follow the attention of tiny_cnn: it has no tokens"):
        attention_layers(tiny_cnn, "rollout")
