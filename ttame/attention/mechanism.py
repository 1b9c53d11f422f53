"""The attention mechanism of TAME and T-TAME."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.tokens import TokenLayout, Version, tokens_to_maps

LARGEST_MAP = 56


class AttentionMechanism(nn.Module):
    """One branch a feature set (1x1 convolution, batch norm, skip connection, ReLU), fused to one map a class.

    Equations 1 to 4 of TAME (ISM 2022). The published order resizes the branches, concatenates them and applies the
    fusing 1x1 convolution. Both of the last two are linear and the convolution acts on each pixel alone, so here each
    branch is fused at its own resolution and the few resulting maps are resized and added: the same function, without
    ever holding the enlarged feature maps.

    Args:
        channels: C of each feature set, in execution order.
        num_classes: K.
        layout: the token layout of a transformer, or None for a CNN.
        version: what becomes of the class token; no difference on a CNN.
    """

    def __init__(
        self, channels: Sequence[int], num_classes: int, layout: TokenLayout | None = None, version: Version = "TTAME"
    ) -> None:
        super().__init__()
        self.layout = layout
        self.version: Version = version
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 1) for width in channels)
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for width in channels)
        self.fuser = nn.Conv2d(sum(channels), num_classes, 1)

    def start_at(self, bias: float) -> None:
        """Set the bias of every raw map: before any training the maps lie around this value."""
        assert self.fuser.bias is not None
        nn.init.constant_(self.fuser.bias, bias)

    def forward(self, features: Sequence[Tensor], classes: Tensor | None = None) -> Tensor:
        """Raw maps `c`; the sigmoid of them is `a`.

        Args:
            features: one (B, C, h, w) map, or (B, tokens, C) sequence, per feature set.
            classes: which maps to compute: None for all K, (M,) for the same M in every image, (B, M) for M per image.

        Returns:
            (B, K or M, s, s'), where s is the height of the first set, at most 56. Any real values.
        """
        branches = [self._branch(index, feature) for index, feature in enumerate(features)]
        height, width = branches[0].shape[2:]
        scale = min(1.0, LARGEST_MAP / height)
        size = (round(height * scale), round(width * scale))
        weight, bias = self.fuser.weight[:, :, 0, 0], self.fuser.bias
        assert bias is not None
        if classes is not None:
            weight, bias = weight[classes], bias[classes]
        parts = weight.split([branch.shape[1] for branch in branches], dim=-1)
        maps = [_resize(_weigh(branch, part), size) for branch, part in zip(branches, parts, strict=True)]
        return torch.stack(maps).sum(0) + bias[..., None, None]

    def _branch(self, index: int, feature: Tensor) -> Tensor:
        if self.layout is not None:
            feature = tokens_to_maps(feature, self.layout, self.version)
        return functional.relu(self.bns[index](self.convs[index](feature)) + feature)


def _weigh(branch: Tensor, weight: Tensor) -> Tensor:
    """(B, M, h, w) weighted sums of (B, C, h, w) over channels; weights (M, C), or (B, M, C) per image."""
    flat = branch.flatten(2)
    return (weight @ flat).unflatten(2, branch.shape[2:])


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if maps.shape[2:] == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
