"""Attention and its gradients by plain loops over timm's unfused layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..backbones.attention.oracle import block_tokens, pooling, unfused


def with_gradients(model: nn.Module, images: Tensor, targets: Tensor, last: Tensor | None = None) -> list[Tensor]:
    """(B, N, N) of each layer: the mean over heads of relu(attention * gradient of the class logit).

    With `last`, the weights of the last of three layers are these.
    """
    weights: list[Tensor] = []

    def keep(number: int, found: Tensor) -> Tensor:
        chosen = last if last is not None and number == 2 else found
        weights.append(chosen if chosen.requires_grad else chosen.clone().requires_grad_())
        return weights[-1]

    with unfused(model, keep):
        logits = model(images)
    return _positive(logits, targets, weights)


def with_gradients_of_pooling(model: Any, images: Tensor, targets: Tensor) -> list[Tensor]:
    """The same of three layers and timm's pooling, (B, 1, N)."""
    weights: list[Tensor] = []

    def keep(_: int, found: Tensor) -> Tensor:
        weights.append(found if found.requires_grad else found.clone().requires_grad_())
        return weights[-1]

    with unfused(model, keep):
        tokens = block_tokens(model, images)[-1]
    pooled, logits = pooling(model, tokens)
    return _positive(logits, targets, [*weights, pooled])


def layer_sensitivities(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """(layers, B, N) of LeGrad, by one gradient for each layer through the whole graph."""
    weights: list[Tensor] = []

    def keep(_: int, found: Tensor) -> Tensor:
        weights.append(found if found.requires_grad else found.clone().requires_grad_())
        return weights[-1]

    with unfused(model, keep):
        layers = block_tokens(model, images)
    parts = []
    for attention, tokens in zip(weights, layers, strict=True):
        logits = model.head(model.fc_norm(model.norm(tokens.mean(1))))
        parts.append(_sensitivity(logits, targets, attention))
    return torch.stack(parts)


def pooling_sensitivities(model: Any, images: Tensor, targets: Tensor) -> Tensor:
    """The same where timm's pooling takes in the tokens of each layer."""
    parts = []
    for tokens in block_tokens(model, images):
        attention = pooling(model, tokens)[0].clone().requires_grad_()
        parts.append(_sensitivity(pooling(model, tokens, attention)[1], targets, attention))
    return torch.stack(parts)


def _sensitivity(logits: Tensor, targets: Tensor, attention: Tensor) -> Tensor:
    score = logits.gather(1, targets[:, None]).sum()
    (gradient,) = torch.autograd.grad(score, attention, retain_graph=True)
    return gradient.clamp(min=0).mean(1).mean(1)


def _positive(logits: Tensor, targets: Tensor, weights: list[Tensor]) -> list[Tensor]:
    gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), weights)
    return [(w * g).detach().clamp(min=0).mean(1) for w, g in zip(weights, gradients, strict=True)]
