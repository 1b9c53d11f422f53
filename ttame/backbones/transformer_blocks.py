"""The parts of a pre-norm vision transformer that relevance propagation walks through, whoever built it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from ttame.backbones.attention_layers import SelfAttention, attention_layers
from ttame.backbones.backbone import Backbone
from ttame.errors import NotDefined


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
    attention: SelfAttention
    attention_branch: nn.Module
    norm2: nn.Module
    first: nn.Linear
    second: nn.Linear
    mlp_branch: nn.Module


@dataclass(frozen=True)
class Transformer:
    """The blocks in order, the closing norm, and the linear heads with the token that each reads."""

    blocks: list[Block]
    norm: nn.Module
    heads: list[tuple[int, nn.Linear]]


def read_transformer(backbone: Backbone, method: str) -> Transformer:
    """timm's and torchvision's ViT and DeiT, with distillation and register tokens.

    Raises:
        NotDefined: for any other architecture, or one that classifies by a mean over tokens.
    """
    layers = attention_layers(backbone, method)
    model: Any = backbone.model
    try:
        return _torchvision(model, layers) if hasattr(model, "encoder") else _timm(model, layers)
    except (AttributeError, IndexError, TypeError):
        raise NotDefined(
            f"{method} knows the ViT and DeiT of timm and torchvision, and {backbone.name} "
            f"({type(model).__name__}) is built in another way"
        ) from None


def _timm(model: Any, layers: list[SelfAttention]) -> Transformer:
    by_module = {layer.module: layer for layer in layers}
    blocks = [
        Block(
            block.norm1,
            by_module[block.attn],
            _branch(block.attn, getattr(block, "ls1", None)),
            block.norm2,
            _linear(block.mlp.fc1),
            _linear(block.mlp.fc2),
            _branch(block.mlp, getattr(block, "ls2", None)),
        )
        for block in map(_pre_norm, model.blocks)
    ]
    heads = [(0, _linear(model.head))]
    if hasattr(model, "head_dist"):
        heads.append((1, _linear(model.head_dist)))
    return Transformer(blocks, model.norm, heads)


def _torchvision(model: Any, layers: list[SelfAttention]) -> Transformer:
    by_module = {layer.module: layer for layer in layers}
    blocks = [
        Block(
            block.ln_1,
            by_module[block.self_attention],
            block.dropout,
            block.ln_2,
            _linear(block.mlp[0]),
            _linear(block.mlp[3]),
            block.mlp,
        )
        for block in model.encoder.layers
    ]
    (head,) = model.heads
    return Transformer(blocks, model.encoder.ln, [(0, _linear(head))])


def _pre_norm(block: Any) -> Any:
    if type(block).__name__ != "Block":
        raise TypeError(type(block).__name__)
    return block


def _branch(layer: nn.Module, scale: nn.Module | None) -> nn.Module:
    return layer if scale is None or isinstance(scale, nn.Identity) else scale


def _linear(layer: Any) -> nn.Linear:
    if not isinstance(layer, nn.Linear):
        raise TypeError(type(layer).__name__)
    return layer
