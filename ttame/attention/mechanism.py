"""The attention mechanism of TAME and T-TAME, and what it becomes when parts of it are taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.attention.batch_norm import BatchNorm
from ttame.backbones.tokens import TokenLayout

Version = Literal["TAME", "TTAME"]
"""What becomes of a class token: dropped, or multiplied with every patch token (T-TAME, section III)."""
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
        version: what becomes of the class token; no difference on a CNN, or on a transformer without one.
        skip: whether a branch adds its input; without it a branch may change the width.
        norm: whether a branch has a batch norm.
        activation: what ends a branch.
        branch_width: channels that every branch gives, or None for as many as it gets.
        volumes: whether the feature sets are (B, C, d, h, w), as a video classifier's; they are then never shrunk.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        layout: TokenLayout | None = None,
        version: Version = "TTAME",
        *,
        skip: bool = True,
        norm: bool = True,
        activation: Callable[[Tensor], Tensor] = functional.relu,
        branch_width: int | None = None,
        volumes: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        # Without a class token there is nothing to multiply by.
        self.version: Version = version if layout is None or layout.prefix_tokens else "TAME"
        self.skip = skip
        self._activation = activation
        self._volumes = volumes
        convolution = nn.Conv3d if volumes else nn.Conv2d
        batch_norm = nn.BatchNorm3d if volumes else BatchNorm
        widths = [branch_width or width for width in channels]
        self.convs = nn.ModuleList(convolution(given, width, 1) for given, width in zip(channels, widths, strict=True))
        self.bns = nn.ModuleList(batch_norm(width) if norm else nn.Identity() for width in widths)
        self.fuser = convolution(sum(widths), num_classes, 1)

    def forward(self, features: Sequence[Tensor], classes: Tensor | None = None) -> Tensor:
        """Raw maps `c`; the sigmoid of them is `a`.

        Args:
            features: one (B, C, h, w) map, or (B, tokens, C) sequence, per feature set.
            classes: which maps to compute: None for all K, (M,) for the same M in every image, (B, M) for M per image.

        Returns:
            (B, K or M, s, s'), where s is the height of the first set, at most 56. Any real values.
        """
        branches = [self._branch(index, feature) for index, feature in enumerate(features)]
        size = self._output_size(branches[0])
        weight, bias = rows_of(self.fuser, classes)
        parts = weight.split([branch.shape[1] for branch in branches], dim=-1)
        maps = [self._resized(weigh(branch, part), size) for branch, part in zip(branches, parts, strict=True)]
        return torch.stack(maps).sum(0) + bias[(..., *[None] * len(size))]

    def _branch(self, index: int, feature: Tensor) -> Tensor:
        if self.layout is not None:
            maps = self.layout.to_maps(feature)
            feature = maps * feature[:, 0, :, None, None] if self.version == "TTAME" else maps
        branch = self.bns[index](self.convs[index](feature))
        return self._activation(branch + feature if self.skip else branch)

    def _resized(self, maps: Tensor, size: tuple[int, ...]) -> Tensor:
        return resize(maps, size)

    def _output_size(self, branch: Tensor) -> tuple[int, ...]:
        size = tuple(branch.shape[2:])
        return size if self._volumes else capped(size)


def capped(size: Sequence[int]) -> tuple[int, ...]:
    """A (height, width) shrunk in proportion until the height is at most 56."""
    scale = min(1.0, LARGEST_MAP / size[0])
    return tuple(round(length * scale) for length in size)


def rows_of(fuser: nn.Module, classes: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weights (K or M, C) or (B, M, C), and biases, of a fusing 1x1 convolution for the classes that are asked for."""
    weight, bias = fuser.weight, fuser.bias
    assert isinstance(weight, Tensor)
    assert isinstance(bias, Tensor)
    weight = weight.flatten(1)
    return (weight, bias) if classes is None else (weight[classes], bias[classes])


def weigh(branch: Tensor, weight: Tensor) -> Tensor:
    """(B, M, h, w) weighted sums of (B, C, h, w) over channels; weights (M, C), or (B, M, C) per image."""
    flat = branch.flatten(2)
    return (weight @ flat).unflatten(2, branch.shape[2:])


def resize(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """(B, M, h, w) to (B, M, *size), bilinear; trilinear for volumes."""
    if maps.shape[2:] == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear" if len(size) == 2 else "trilinear", align_corners=False)
