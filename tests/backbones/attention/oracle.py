"""The attention weights of the tiny transformers by ways that share nothing with `ttame.backbones.attention`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .families import HuggingFace


@contextmanager
def unfused(model: nn.Module, change: Callable[[int, Tensor], Tensor] = lambda _, weights: weights) -> Iterator[None]:
    """timm's layers compute attention step by step and give it to `change` where they would drop some of it."""
    layers: list[Any] = [module for module in model.modules() if hasattr(module, "fused_attn")]
    dropouts = [layer.attn_drop for layer in layers if hasattr(layer, "attn_drop")]
    hooks = [
        dropout.register_forward_hook(lambda _, __, weights, number=number: change(number, weights))
        for number, dropout in enumerate(dropouts)
    ]
    for layer in layers:
        layer.fused_attn = False
    yield
    for layer in layers:
        layer.fused_attn = True
    for hook in hooks:
        hook.remove()


def pooling(model: Any, tokens: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """timm's pooling by attention written out: from the last block's tokens (B, N, C) to (B, heads, 1, N) and (B, K).

    Weights that are given take the place of its own.
    """
    pool, heads = model.attn_pool, model.attn_pool.num_heads
    tokens = model.norm(tokens)
    asking = pool.q(pool.latent).unflatten(2, (heads, -1)).transpose(1, 2)
    keys, values = pool.kv(tokens).unflatten(2, (2, heads, -1)).permute(2, 0, 3, 1, 4)
    if weights is None:
        weights = (asking @ keys.transpose(2, 3) / asking.shape[-1] ** 0.5).softmax(-1)
    pooled = pool.proj((weights @ values).transpose(1, 2).flatten(2))
    pooled = pooled + pool.mlp(pool.norm(pooled))
    return weights, model.head(model.fc_norm(pooled[:, 0]))


def block_tokens(model: Any, images: Tensor) -> list[Tensor]:
    """What each of timm's blocks returns, (B, N, C)."""
    tokens: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda _, __, output: tokens.append(output)) for block in model.blocks]
    model(images)
    for hook in hooks:
        hook.remove()
    return tokens


@torch.no_grad()
def attention_weights(model: Any, images: Tensor) -> list[Tensor]:
    """(B, heads, N, N) of every layer, and (B, heads, 1, N) of a pooling one."""
    if isinstance(model, HuggingFace):
        return _of_hugging_face(model.model, images)
    if any(isinstance(module, nn.MultiheadAttention) for module in model.modules()):
        return _of_torch(model, images)
    weights: list[Tensor] = []

    def keep(_: int, found: Tensor) -> Tensor:
        weights.append(found)
        return found

    with unfused(model, keep):
        model(images)
    if getattr(model, "attn_pool", None) is not None:
        weights.append(pooling(model, block_tokens(model, images)[-1])[0])
    return weights


def _of_hugging_face(model: Any, images: Tensor) -> list[Tensor]:
    model.set_attn_implementation("eager")
    weights = list(model(images, output_attentions=True).attentions)
    model.set_attn_implementation("sdpa")
    return weights


def _of_torch(model: nn.Module, images: Tensor) -> list[Tensor]:
    inputs: list[tuple[nn.Module, Tensor]] = []
    layers = [module for module in model.modules() if isinstance(module, nn.MultiheadAttention)]
    hooks = [
        layer.register_forward_pre_hook(lambda module, given: inputs.append((module, given[0]))) for layer in layers
    ]
    model(images)
    for hook in hooks:
        hook.remove()
    return [layer(given, given, given, average_attn_weights=False)[1] for layer, given in inputs]
