"""The parts of a pre-norm vision transformer that relevance propagation walks through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.attention.layers import FIRST, AttentionLayers, attention_layers
from ttame.backbones.backbone import Backbone
from ttame.backbones.hooks import hooked
from ttame.backbones.probing import probing_images
from ttame.backbones.tokens import transformers_inside
from ttame.errors import NotDefined


@dataclass(frozen=True)
class Projections:
    """The linear layers around a plain self-attention.

    Attributes:
        heads: number of heads.
        input_weight: (3 C, C), rows are queries, keys, values, heads inside.
        output: the linear layer after the heads are joined.
    """

    heads: int
    input_weight: Tensor
    output: nn.Linear


@dataclass(frozen=True)
class Block:
    """x + attention(norm1(x)), then the same with norm2 and the MLP.

    Attributes:
        norm1, norm2: LayerNorms; what goes into them is the residual stream.
        attention: the self-attention.
        attention_branch, mlp_branch: the modules whose outputs are added to the stream (after a layer scale).
        first, second: linear layers of the MLP.
    """

    norm1: nn.Module
    attention: Projections
    attention_branch: nn.Module
    norm2: nn.Module
    first: nn.Linear
    second: nn.Linear
    mlp_branch: nn.Module


@dataclass(frozen=True)
class Transformer:
    """Its attention, the blocks in order, the closing norm, and the linear heads with the token that each reads."""

    attention: AttentionLayers
    blocks: list[Block]
    norm: nn.Module
    heads: list[tuple[int, nn.Linear]]


KNOWN: Mapping[str, tuple[str, ...]] = {
    "Block": ("timm.models.vision_transformer", "ttame.backbones.vision_transformer"),
    "Attention": ("timm.layers.attention", "timm.models.vision_transformer", "ttame.backbones.vision_transformer"),
    "Mlp": ("timm.layers.mlp",),
    "MLP": ("ttame.backbones.vision_transformer",),
    "EncoderBlock": ("torchvision.models.vision_transformer",),
    "MultiheadAttention": ("torch.nn.modules.activation",),
    "MLPBlock": ("torchvision.models.vision_transformer",),
}
"""Classes whose arithmetic the rules follow, and where they are; others of these names compute something else."""


def read_transformer(backbone: Backbone, method: str) -> Transformer:
    """timm's and torchvision's ViT and DeiT, with distillation and register tokens, also inside another module.

    Raises:
        NotDefined: for any other architecture, one that does not classify the class token, or one whose logits the
            module around it changes.
    """
    attention = attention_layers(backbone, method)
    if attention.pools or attention.deciding != FIRST:
        raise NotDefined(f"{method} has rules for a head on the class token, and {backbone.name} pools its tokens")
    inside = transformers_inside(backbone.model) or [backbone.model]
    model: Any = next((part for part in inside if _gives_the_logits(part, backbone)), None)
    if model is None:
        raise NotDefined(f"{method} has no rule for what {backbone.name} makes of the logits of the transformer inside")
    try:
        return _torchvision(model, attention) if hasattr(model, "encoder") else _timm(model, attention)
    except (AttributeError, IndexError, TypeError, ValueError):
        raise NotDefined(
            f"{method} knows the ViT and DeiT of timm and torchvision, and {backbone.name} "
            f"({type(model).__name__}) is built in another way"
        ) from None


@torch.no_grad()
def _gives_the_logits(part: nn.Module, backbone: Backbone) -> bool:
    if part is backbone.model:
        return True
    given: list[object] = []
    with hooked([part.register_forward_hook(lambda module, inputs, output: given.append(output))]):
        logits = backbone.model(probing_images(backbone.preprocessing.input_size, like=backbone.model))
    return len(given) == 1 and isinstance(given[0], Tensor) and torch.equal(given[0], logits)


def _timm(model: Any, attention: AttentionLayers) -> Transformer:
    blocks = [
        Block(
            block.norm1,
            _timm_projections(_plain(block.attn)),
            _branch(block.attn, getattr(block, "ls1", None)),
            block.norm2,
            _linear(_plain(block.mlp).fc1),
            _linear(block.mlp.fc2),
            _branch(block.mlp, getattr(block, "ls2", None)),
        )
        for block in map(_plain, model.blocks)
    ]
    heads = [(0, _linear(model.head))]
    if hasattr(model, "head_dist"):
        heads.append((1, _linear(model.head_dist)))
    return Transformer(attention, blocks, model.norm, heads)


def _torchvision(model: Any, attention: AttentionLayers) -> Transformer:
    blocks = [
        Block(
            block.ln_1,
            _torch_projections(_plain(block.self_attention)),
            block.dropout,
            block.ln_2,
            _linear(_plain(block.mlp)[0]),
            _linear(block.mlp[3]),
            block.mlp,
        )
        for block in map(_plain, model.encoder.layers)
    ]
    (head,) = model.heads
    return Transformer(attention, blocks, model.encoder.ln, [(0, _linear(head))])


def _timm_projections(layer: Any) -> Projections:
    return Projections(int(layer.num_heads), _linear(layer.qkv).weight, _linear(layer.proj))


def _torch_projections(layer: Any) -> Projections:
    return Projections(int(layer.num_heads), layer.in_proj_weight, _linear(layer.out_proj))


def _plain(part: Any) -> Any:
    """A part of a known class, without a norm or a gate inside that the rules would miss."""
    kind = type(part)
    inside = (getattr(part, "norm", None), getattr(part, "gate", None))
    if kind.__module__ not in KNOWN.get(kind.__name__, ()) or not all(map(_is_absent, inside)):
        raise TypeError(kind.__name__)
    return part


def _is_absent(part: nn.Module | None) -> bool:
    return part is None or isinstance(part, nn.Identity)


def _branch(layer: nn.Module, scale: nn.Module | None) -> nn.Module:
    return scale if scale is not None and not _is_absent(scale) else layer


def _linear(layer: Any) -> nn.Linear:
    if not isinstance(layer, nn.Linear):
        raise TypeError(type(layer).__name__)
    return layer
