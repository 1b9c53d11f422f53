"""`nn.MultiheadAttention` with torch's own kernel, which its code calls where no one else can see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

from torch import Tensor, nn
from torch.nn import functional


def can_be_fused(module: nn.Module) -> TypeGuard[nn.MultiheadAttention]:
    """Whether it is a batch-first `nn.MultiheadAttention` of plain linear projections, with torch's own forward."""
    return (
        isinstance(module, nn.MultiheadAttention)
        and type(module).forward is nn.MultiheadAttention.forward
        and "forward" not in module.__dict__
        and module.batch_first
        and module.in_proj_weight is not None
        and module.bias_k is None
        and not module.add_zero_attn
    )


def fused_forward(layer: nn.MultiheadAttention) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """A forward that does what the layer's own does, for whoever does not ask for the weights."""
    own = layer.forward

    def forward(
        query: Tensor, key: Tensor, value: Tensor, *others: Any, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        masked = options.get("attn_mask") is not None or options.get("key_padding_mask") is not None
        if others or masked or key is not value:
            return own(query, key, value, *others, **options)
        heads = functional.scaled_dot_product_attention(*_project(layer, query, key))
        return layer.out_proj(heads.transpose(1, 2).flatten(2)), None

    return forward


def _project(layer: nn.MultiheadAttention, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries (B, heads, Q, d), keys and values (B, heads, N, d)."""
    weight, bias, width = layer.in_proj_weight, layer.in_proj_bias, layer.embed_dim
    if query is key:
        projected = functional.linear(query, weight, bias)
        asking, *asked = projected.unflatten(2, (3, layer.num_heads, -1)).permute(2, 0, 3, 1, 4)
    else:
        asking = functional.linear(query, weight[:width], None if bias is None else bias[:width])
        asking = asking.unflatten(2, (layer.num_heads, -1)).transpose(1, 2)
        projected = functional.linear(key, weight[width:], None if bias is None else bias[width:])
        asked = list(projected.unflatten(2, (2, layer.num_heads, -1)).permute(2, 0, 3, 1, 4))
    return asking, asked[0], asked[1]
