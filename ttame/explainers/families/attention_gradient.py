"""Attention times its gradient of the class logit, of every layer of a transformer."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.backbones.attention.layers import AttentionLayers
from ttame.backbones.attention.opening import AttentionStep
from ttame.backbones.backbone import Backbone


def attention_times_gradient(
    backbone: Backbone, layers: AttentionLayers, images: Tensor, targets: Tensor, last: Tensor | None = None
) -> list[Tensor]:
    """The mean over heads of relu(attention * gradient). One forward and one backward pass.

    Args:
        backbone: a transformer.
        layers: its attention.
        images: (B, 3, H, W), normalised.
        targets: (B,).
        last: (B, heads, N, N), what stands for the attention of the last layer; its own by default.

    Returns:
        (B, N, N) of each layer, the first first; of attention pooling (B, 1, N).
    """
    weights: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        attention = step.weights if last is None or number < layers.count - 1 else last
        # The first layer starts the graph; the frozen network before it needs none.
        weights.append(attention if attention.requires_grad else attention.detach().requires_grad_())
        return weights[-1]

    with torch.enable_grad(), layers.opened(backbone, tap):
        logits = backbone(images)
        gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), weights)
    backbone.passes.backward += len(images)
    return [(w.detach() * gradient).relu().mean(1) for w, gradient in zip(weights, gradients, strict=True)]
