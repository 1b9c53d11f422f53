"""IIA on a transformer (Barkan et al., ICCV 2023, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from ttame.backbones.attention.layers import AttentionLayers
from ttame.backbones.attention.opening import AttentionStep
from ttame.backbones.backbone import Backbone
from ttame.explainers.families.attention_gradient import attention_times_gradient
from ttame.explainers.families.roll_out import roll_out


def integrate_attention(
    backbone: Backbone, layers: AttentionLayers, images: Tensor, targets: Tensor, steps: int
) -> Tensor:
    """relu(attention * gradient) of every layer, integrated twice and rolled out.

    For every image i / S x, i = 0..S, the last layer's attention is replaced by t / S of itself, t = 0..S. The mean
    over these (S + 1)^2 runs and over heads is rolled out with normalised rows.

    Args:
        backbone: a transformer.
        layers: its attention.
        images: (B, 3, H, W), normalised.
        targets: (B,).
        steps: S.

    Returns:
        (B, rows, columns) of the patch grid, not negative.
    """
    dtype = torch.promote_types(images.dtype, torch.float32)  # half precision would lose the small parts of the sum
    totals: list[Tensor] = []
    for step in range(steps + 1):
        interpolated = images * (step / steps)
        last = _last_attention(backbone, layers, interpolated)
        for share in range(steps + 1):
            given = attention_times_gradient(backbone, layers, interpolated, targets, last * (share / steps))
            found = [part.to(dtype) for part in given]
            totals = [total + part for total, part in zip(totals, found, strict=True)] if totals else found
    runs = (steps + 1) ** 2
    return layers.deciding_map(roll_out([total / runs for total in totals], normalise_rows=True))


@torch.no_grad()
def _last_attention(backbone: Backbone, layers: AttentionLayers, images: Tensor) -> Tensor:
    weights: list[Tensor] = []

    def tap(_: int, step: AttentionStep) -> Tensor:
        weights.append(step.weights)
        return step.weights

    with layers.opened(backbone, tap):
        backbone(images)
    return weights[-1]
