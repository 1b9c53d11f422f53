"""The transformer-style mechanisms of the ablation study: self-attention in the branches instead of convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ttame.attention.mechanism import capped, resize, rows_of, weigh
from ttame.backbones.tokens import TokenLayout
from ttame.errors import TTameError

HEADS = 12
HEAD_WIDTH = 64
NORM_EPSILON = 1e-6


class TokenAttention(nn.Module):
    """TAttention V1 and V2 (T-TAME, IEEE Access 2024, ablation study): each branch is one self-attention layer.

    A branch is self-attention over all tokens, LayerNorm, skip connection and an activation; V1 adds one more
    self-attention over the concatenated branches. The prefix tokens are dropped before the fusing 1x1 convolution.

    Args:
        channels: width of each token sequence.
        num_classes: K.
        layout: of the tokens; these mechanisms are defined on transformers alone.
        fuse_by_attention: V1's second self-attention.
        norm_first: LayerNorm before the self-attention (the versions that end in _2).
        activation: what ends a branch, ReLU or GELU.

    Raises:
        TTameError: on a CNN, or for a width that 12 heads do not divide.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_classes: int,
        layout: TokenLayout | None,
        *,
        fuse_by_attention: bool,
        norm_first: bool,
        activation: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        if layout is None:
            raise TTameError("TAttention V1 and V2 read the tokens of a transformer; on a CNN use tattention_v3")
        for width in channels:
            if width % HEADS:
                raise TTameError(f"TAttention V1 and V2 have {HEADS} heads, which do not divide the width {width}")
        self.layout = layout
        self._norm_first = norm_first
        self._activation = activation
        self.mhas = nn.ModuleList(nn.MultiheadAttention(width, HEADS, batch_first=True) for width in channels)
        self.lns = nn.ModuleList(nn.LayerNorm(width, NORM_EPSILON) for width in channels)
        if fuse_by_attention:
            self.mha_fuser: nn.Module | None = nn.MultiheadAttention(sum(channels), HEADS, batch_first=True)
        else:
            self.mha_fuser = None
        self.cnn_fuser = nn.Conv2d(sum(channels), num_classes, 1)

    def forward(self, features: Sequence[Tensor], classes: Tensor | None = None) -> Tensor:
        """Raw maps, (B, K or M, rows, columns), of (B, tokens, C) sequences; see `AttentionMechanism`."""
        branches = torch.cat([self._branch(index, tokens) for index, tokens in enumerate(features)], dim=2)
        if self.mha_fuser is not None:
            branches = _attend(self.mha_fuser, branches)
        maps = self.layout.to_maps(branches)
        weight, bias = rows_of(self.cnn_fuser, classes)
        return weigh(maps, weight) + bias[..., None, None]

    def _branch(self, index: int, tokens: Tensor) -> Tensor:
        attention, norm = self.mhas[index], self.lns[index]
        branch = _attend(attention, norm(tokens)) if self._norm_first else norm(_attend(attention, tokens))
        return self._activation(branch + tokens)


class BlockAttention(nn.Module):
    """TAttention V3 (T-TAME, IEEE Access 2024, ablation study): each branch is a pre-norm transformer block.

    As published, one LayerNorm serves both halves of the block. Feature maps of a CNN become sequences of positions.
    Prefix tokens are dropped after the blocks.

    Args:
        channels: width of each feature set.
        num_classes: K.
        layout: of the tokens, or None for a CNN.

    Raises:
        TTameError: for a width that has no heads of 64.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, layout: TokenLayout | None) -> None:
        super().__init__()
        self.layout = layout
        self.lns_1 = nn.ModuleList(nn.LayerNorm(width, NORM_EPSILON) for width in channels)
        self.mhas = nn.ModuleList(
            nn.MultiheadAttention(width, _heads_of(width), batch_first=True) for width in channels
        )
        self.mlps = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width), nn.Identity()
            )
            for width in channels
        )
        self.cnn_fuser = nn.Conv2d(sum(channels), num_classes, 1)

    def forward(self, features: Sequence[Tensor], classes: Tensor | None = None) -> Tensor:
        """Raw maps, (B, K or M, s, s'); see `AttentionMechanism`."""
        maps = [self._branch(index, feature) for index, feature in enumerate(features)]
        size = capped(tuple(maps[0].shape[2:]))
        weight, bias = rows_of(self.cnn_fuser, classes)
        parts = weight.split([branch.shape[1] for branch in maps], dim=-1)
        fused = [resize(weigh(branch, part), size) for branch, part in zip(maps, parts, strict=True)]
        return torch.stack(fused).sum(0) + bias[..., None, None]

    def _branch(self, index: int, feature: Tensor) -> Tensor:
        tokens = maps_to_tokens(feature) if self.layout is None else feature
        norm = self.lns_1[index]
        tokens = tokens + _attend(self.mhas[index], norm(tokens))
        tokens = tokens + self.mlps[index](norm(tokens))
        if self.layout is None:
            return tokens.transpose(1, 2).unflatten(2, feature.shape[2:])
        return self.layout.to_maps(tokens)


def maps_to_tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) to the sequence (B, h * w, C), positions row by row."""
    return maps.flatten(2).transpose(1, 2)


def _attend(attention: nn.Module, tokens: Tensor) -> Tensor:
    attended: Tensor = attention(tokens, tokens, tokens, need_weights=False)[0]
    return attended


def _heads_of(width: int) -> int:
    """Heads of 64 channels; a width below 128 has one."""
    heads = max(1, width // HEAD_WIDTH)
    if width % heads:
        raise TTameError(f"TAttention V3 has heads of {HEAD_WIDTH} channels, which do not divide the width {width}")
    return heads
