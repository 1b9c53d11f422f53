"""Which maps enter the loss, and how a map masks an image during training."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.params.attention import LossSettings

MaskingMode = Literal["random", "diagonal", "max"]
InputPolicy = Literal["raw_normalize", "new", "renormalize"]


def input_policy(settings: LossSettings, backbone: Backbone) -> InputPolicy:
    """The stated policy, or the paper's for this kind of classifier."""
    if settings.input_policy == "auto":
        return "new" if backbone.is_transformer else "raw_normalize"
    return settings.input_policy


def classes_of_masks(logits: Tensor, labels: Tensor, mode: MaskingMode) -> Tensor:
    """The classes whose maps enter the area and variation terms, for `AttentionMechanism.forward`.

    Args:
        logits: (b, K) of the clean images of this process.
        labels: (B,) model truths of the whole batch; B = b where one process trains alone.
        mode: `random`, (B,): the model truths of the whole batch, for every image; `diagonal`, (b, 1): the own one;
            `max`, (b, min(B, K)): the most probable ones of each image, in descending order.
    """
    if mode == "random":
        return labels
    if mode == "diagonal":
        return logits.argmax(1)[:, None]
    return logits.topk(min(len(labels), logits.shape[1]), dim=1).indices


def own_masks(masks: Tensor, mode: MaskingMode, first: int = 0) -> Tensor:
    """Of the masks of a mode, the one of each image's own model truth.

    Args:
        masks: (b, M, h, w).
        mode: as for `classes_of_masks`.
        first: place in the whole batch of this process's first image.

    Returns:
        (b, 1, h, w).
    """
    if mode == "random":
        images = torch.arange(len(masks), device=masks.device)
        return masks[images, first + images][:, None]
    return masks[:, :1]


def mask_images(images: Tensor, masks: Tensor, backbone: Backbone, policy: InputPolicy) -> Tensor:
    """What the frozen classifier sees in the second pass.

    Args:
        images: (B, 3, H, W) in [0, 1].
        masks: (B, 1, h, w) in [0, 1], resized bilinearly to the image.
        policy: `raw_normalize` n(m x), towards black; `new` m n(x), towards the mean colour; `renormalize` is
            n(m x) of a batch that arrives normalised, the same thing up to rounding.
    """
    masks = functional.interpolate(masks, images.shape[2:], mode="bilinear", align_corners=False)
    if policy == "new":
        return masks * backbone.normalise(images)
    if policy == "renormalize":
        images = backbone.unnormalise(backbone.normalise(images))
    return backbone.normalise(masks * images)


def mask_features(activation: Tensor, masks: Tensor, backbone: Backbone) -> Tensor:
    """Feature maps times a mask, as L-CAM-Fm trains with (ECCVW 2022, section 3.2).

    Args:
        activation: (B, C, h, w), or (B, tokens, C); a transformer's prefix tokens stay as they are.
        masks: (B, 1, h', w') in [0, 1], resized bilinearly to the feature maps.
        backbone: whose features they are.
    """
    layout = backbone.tokens
    size = activation.shape[2:] if layout is None else layout.grid
    masks = functional.interpolate(masks, tuple(size), mode="bilinear", align_corners=False)
    if layout is None:
        return activation * masks
    prefix, patches = activation[:, : layout.prefix_tokens], activation[:, layout.prefix_tokens :]
    return torch.cat([prefix, patches * masks.flatten(2).transpose(1, 2)], dim=1)
