"""IIA on a CNN (Barkan et al., ICCV 2023, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone


def integrate_activations(backbone: Backbone, images: Tensor, targets: Tensor, steps: int, double: bool) -> Tensor:
    """The channel sum of `integrated_channels`, resized to the image.

    Returns:
        (B, H, W), bicubic (align_corners=False), signed.
    """
    heatmap = integrated_channels(backbone, images, targets, steps, double).sum(1, keepdim=True)
    size = tuple(images.shape[2:])
    return functional.interpolate(heatmap, size, mode="bicubic", align_corners=False)[:, 0]


def integrated_channels(backbone: Backbone, images: Tensor, targets: Tensor, steps: int, double: bool) -> Tensor:
    """Sum over k = 0..S of g_k relu(A_k), with A_k the activation of the image times k / S and g_k its gradient.

    With `double`, g_k is the mean of the gradients at t / S A_k, t = 0..S: the paper's second integral.

    Args:
        backbone: a CNN.
        images: (B, 3, H, W), normalised.
        targets: (B,).
        steps: S.
        double: whether to integrate over the activations too.

    Returns:
        (B, C, h, w).
    """
    dtype = torch.promote_types(images.dtype, torch.float32)  # half precision would lose the small parts of the sum
    total: Tensor | None = None
    for step in range(steps + 1):
        interpolated = images * (step / steps)
        if double:
            activation, gradient = _gradient_along_activation(backbone, interpolated, targets, steps)
        else:
            activation, gradient = backbone.activation_and_gradient(interpolated, targets, backbone.target_layer)
        part = gradient.to(dtype) * activation.relu()
        total = part if total is None else total + part
    assert total is not None
    return total


def _gradient_along_activation(
    backbone: Backbone, images: Tensor, targets: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    recording = backbone.record(images, backbone.target_layer)
    dtype = torch.promote_types(images.dtype, torch.float32)
    total = torch.zeros_like(recording.activation, dtype=dtype)
    for step in range(steps + 1):
        with torch.enable_grad():
            activation = (recording.activation * (step / steps)).requires_grad_()
            # A copy goes on, since the rest of the network may change it in place.
            logits = backbone.rerun(recording, activation.clone())
            (gradient,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), activation)
        backbone.passes.backward += len(images)
        total += gradient
    return recording.activation, total / (steps + 1)
