"""T-TAME's mechanism with branches that can pass their features on as they are, so that it can start from CAM."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.tokens import TokenLayout


class PassingMechanism(AttentionMechanism):
    """A branch is ReLU(norm(conv(F)) + F) + min(F, 0): with a norm of weight 0 it is F, whatever the sign.

    Two things keep a published branch from that. ReLU cuts negative features, of which the norms of a transformer give
    as many as positive ones: the last term brings them back. It is 0 where features come from a ReLU, and then this is
    T-TAME's branch. And T-TAME multiplies patch tokens by the class token: here a patch token p becomes
    p (1 + g (c - 1)), with a trained g for each channel, 0 at first. g = 0 is p itself, as in TAME, and g = 1 the
    product p c of T-TAME.

    Ours. On a CNN whose features are not negative it is `AttentionMechanism` itself.

    Args:
        channels: C of each feature set, in execution order.
        num_classes: K.
        layout: the token layout of a transformer, or None for a CNN.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, layout: TokenLayout | None = None) -> None:
        super().__init__(channels, num_classes, layout, "TAME")
        gated = channels if layout is not None and layout.prefix_tokens > 0 else ()
        self.gates = nn.ParameterList(torch.zeros(width) for width in gated)

    def _branch(self, index: int, feature: Tensor) -> Tensor:
        if self.layout is not None:
            maps = self.layout.to_maps(feature)
            if len(self.gates):
                gate = self.gates[index] * (feature[:, 0] - 1)
                maps = maps * (1 + gate)[:, :, None, None]
            feature = maps
        branch = self.bns[index](self.convs[index](feature))
        return torch.relu(branch + feature) + feature.clamp(max=0)
