"""The self-attention of transformers, read and replaced while the model's own code runs.

timm computes attention inside a fused kernel and torchvision inside `nn.MultiheadAttention`; neither shows the matrix.
For the time of a `with` block their attention modules run the same arithmetic in the open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.errors import NotDefined


@dataclass(frozen=True)
class AttentionStep:
    """What one attention layer computed: queries, keys and values (B, heads, N, d), weights (B, heads, N, N)."""

    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor


Tap = Callable[[int, AttentionStep], Tensor]
"""From a layer's number and what it computed to the weights that it goes on with."""


class SelfAttention:
    """timm's `Attention`, ours like it, or a batch-first `nn.MultiheadAttention`, seen the same way.

    Attributes:
        module: the layer.
        heads: number of heads.
        input_weight: (3 C, C), rows are queries, keys, values, heads inside.
        output: the linear layer after the heads are joined.
    """

    def __init__(self, module: nn.Module) -> None:
        layer: Any = module
        self.module = module
        self.heads = int(layer.num_heads)
        self._is_torch = isinstance(module, nn.MultiheadAttention)
        self.input_weight: Tensor = layer.in_proj_weight if self._is_torch else layer.qkv.weight
        self.input_bias: Tensor | None = layer.in_proj_bias if self._is_torch else layer.qkv.bias
        self.output: nn.Linear = layer.out_proj if self._is_torch else layer.proj
        self._norms = (layer.q_norm, layer.k_norm) if hasattr(layer, "q_norm") else None

    def split(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, 3 C) to three (B, heads, N, d)."""
        query, key, value = projected.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value

    @staticmethod
    def join(heads: Tensor) -> Tensor:
        """(B, heads, N, d) to (B, N, C)."""
        return heads.transpose(1, 2).flatten(2)

    def forward(self, tokens: Tensor, number: int, tap: Tap) -> Tensor:
        """The layer's output, (B, N, C), with the weights that `tap` returns."""
        query, key, value = self.split(functional.linear(tokens, self.input_weight, self.input_bias))
        if self._norms is not None:
            query, key = self._norms[0](query), self._norms[1](key)
        weights = (query * query.shape[-1] ** -0.5 @ key.transpose(2, 3)).softmax(-1)
        weights = tap(number, AttentionStep(query, key, value, weights))
        return self.output(self.join(weights @ value))


def attention_layers(backbone: Backbone, method: str) -> list[SelfAttention]:
    """The attention layers of a transformer, in the order in which its modules are listed.

    Raises:
        NotDefined: when there is none of a known kind, or no class token that decides.
    """
    layers = [SelfAttention(module) for module in backbone.model.modules() if _is_known(module)]
    layout = backbone.tokens
    if not layers or layout is None:
        raise NotDefined(
            f"{method} finds no attention layer that it knows in {backbone.name}; it knows timm's Attention and a "
            "batch-first torch.nn.MultiheadAttention"
        )
    if layout.prefix_tokens == 0 or getattr(backbone.model, "global_pool", "token") != "token":
        raise NotDefined(
            f"{method} follows the attention of the class token, and {backbone.name} classifies by a mean over tokens"
        )
    return layers


@contextmanager
def tapped(layers: list[SelfAttention], tap: Tap) -> Iterator[None]:
    """Every layer gives its weights to `tap` and goes on with what that returns, until the block ends."""

    def opened(layer: SelfAttention, number: int) -> Callable[..., Any]:
        def forward(tokens: Tensor, *_: object, **__: object) -> Any:
            output = layer.forward(tokens, number, tap)
            return (output, None) if isinstance(layer.module, nn.MultiheadAttention) else output

        return forward

    try:
        for number, layer in enumerate(layers):
            layer.module.__dict__["forward"] = opened(layer, number)
        yield
    finally:
        for layer in layers:
            layer.module.__dict__.pop("forward", None)


def class_token_map(rows: Tensor, backbone: Backbone) -> Tensor:
    """The class token's row of (B, N, N) as a map (B, rows, columns), without the prefix tokens."""
    assert backbone.tokens is not None
    return rows[:, 0, backbone.tokens.prefix_tokens :].unflatten(1, backbone.tokens.grid)


def _is_known(module: nn.Module) -> bool:
    if isinstance(module, nn.MultiheadAttention):
        return module.batch_first and module.in_proj_weight is not None and module.bias_k is None
    # By name, since importing timm costs two seconds that other models need not pay.
    kind = type(module)
    ours_or_timms = kind.__module__.startswith(("ttame.", "timm."))
    if kind.__name__ != "Attention" or not ours_or_timms or not hasattr(module, "qkv"):
        return False
    unusual = (getattr(module, "gate", None), getattr(module, "norm", None))
    return all(part is None or isinstance(part, nn.Identity) for part in unusual)
