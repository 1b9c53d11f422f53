"""IIA on a transformer (Barkan et al., ICCV 2023, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.backbones.attention_layers import AttentionStep, SelfAttention, class_token_map, tapped
from ttame.backbones.backbone import Backbone
from ttame.explainers.families.roll_out import roll_out


def integrate_attention(
    backbone: Backbone, layers: list[SelfAttention], images: Tensor, targets: Tensor, steps: int
) -> Tensor:
    """relu(attention * gradient) of every layer, integrated twice and rolled out.

    For every image i / S x, i = 0..S, the last layer's attention is replaced by t / S of itself, t = 0..S. The mean
    over these (S + 1)^2 runs and over heads is rolled out with normalised rows.

    Args:
        backbone: a transformer.
        layers: its attention layers.
        images: (B, 3, H, W), normalised.
        targets: (B,).
        steps: S.

    Returns:
        (B, rows, columns) of the patch grid, not negative.
    """
    totals: list[Tensor] = []
    for step in range(steps + 1):
        interpolated = images * (step / steps)
        last = _last_attention(backbone, layers, interpolated)
        for share in range(steps + 1):
            found = _attention_times_gradient(backbone, layers, interpolated, targets, last * (share / steps))
            totals = [total + part for total, part in zip(totals, found, strict=True)] if totals else found
    runs = (steps + 1) ** 2
    return class_token_map(roll_out([total / runs for total in totals], normalise_rows=True), backbone)


@torch.no_grad()
def _last_attention(backbone: Backbone, layers: list[SelfAttention], images: Tensor) -> Tensor:
    weights: list[Tensor] = []

    def tap(_: int, step: AttentionStep) -> Tensor:
        weights.append(step.weights)
        return step.weights

    with tapped(layers, tap):
        backbone(images)
    return weights[-1]


def _attention_times_gradient(
    backbone: Backbone, layers: list[SelfAttention], images: Tensor, targets: Tensor, last: Tensor
) -> list[Tensor]:
    """(B, N, N) of each layer, the mean over heads of relu(attention * gradient), when the last attention is `last`."""
    weights: list[Tensor] = []

    def tap(number: int, step: AttentionStep) -> Tensor:
        attention = last if number == len(layers) - 1 else step.weights
        # The first layer starts the graph; the frozen network before it needs none.
        weights.append(attention if attention.requires_grad else attention.detach().requires_grad_())
        return weights[-1]

    with torch.enable_grad(), tapped(layers, tap):
        logits = backbone(images)
        gradients = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), weights)
    backbone.passes.backward += len(images)
    return [(w.detach() * gradient).relu().mean(1) for w, gradient in zip(weights, gradients, strict=True)]
