"""Attention read and replaced while the model's own code runs.

A transformer asks torch for `scaled_dot_product_attention` of its queries, keys and values, whoever built it: what is
its own, such as rotary embeddings, norms of queries and keys or a bias for relative positions, is in what it asks for.
The fused kernel never shows the matrix of weights, so for the time of a `with` block the same arithmetic runs here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ttame.backbones.attention.multihead import can_be_fused, fused_forward

UNFUSED = frozenset([functional.multi_head_attention_forward, functional.softmax, torch.softmax, Tensor.softmax])
"""What a model that computes attention by itself calls."""


@dataclass(frozen=True)
class AttentionStep:
    """What one attention layer computed.

    Attributes:
        query: (B, heads, Q, d); Q is N where the tokens ask each other, and 1 where a query of its own pools them.
        key: (B, heads, N, d).
        value: (B, heads, N, d).
        weights: (B, heads, Q, N), after the softmax.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor


Tap = Callable[[int, AttentionStep], Tensor]
"""From a layer's number and what it computed to the weights that it goes on with."""


class Opened(TorchFunctionMode):
    """The attention of one forward pass, computed in the open.

    Attributes:
        count: layers so far.
        hidden: whether some attention was computed elsewhere.
    """

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.count = 0
        self.hidden = False
        self._tap = tap

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            return self._attend(*args, **options)
        output = func(*args, **options)
        # A softmax of (B, K) gives probabilities and mixes no tokens.
        self.hidden |= func in UNFUSED and not (isinstance(output, Tensor) and output.ndim == 2)
        return output

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """What torch's function of these arguments does; the last one of the rare cases is left to it."""
        if dropout_p > 0 or is_causal or enable_gqa:
            self.hidden = True
            return functional.scaled_dot_product_attention(
                query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
            )
        scores = query * (query.shape[-1] ** -0.5 if scale is None else scale) @ key.transpose(-2, -1)
        if attn_mask is not None:
            is_choice = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if is_choice else scores + attn_mask
        weights = self._tap(self.count, AttentionStep(query, key, value, scores.softmax(-1)))
        self.count += 1
        return weights @ value


@contextmanager
def opened(model: nn.Module, tap: Tap) -> Iterator[Opened]:
    """For one forward pass, every attention layer gives its weights to `tap` and goes on with what that returns.

    timm's modules may be told to do without the fused kernel, and `nn.MultiheadAttention` calls it where nobody can
    see it. Until the block ends, both ask for it openly.
    """
    multihead = [module for module in model.modules() if can_be_fused(module)]
    unfused = [layer for layer in model.modules() if getattr(layer, "fused_attn", None) is False]
    try:
        for module in multihead:
            module.__dict__["forward"] = fused_forward(module)
        for layer in unfused:
            layer.__dict__["fused_attn"] = True
        with Opened(tap) as mode:
            yield mode
    finally:
        for module in multihead:
            module.__dict__.pop("forward", None)
        for layer in unfused:
            layer.__dict__["fused_attn"] = False
