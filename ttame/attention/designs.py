"""Every mechanism that can be trained, by name: the paper's two, P-TAME's, L-CAM's, ours, and those of the ablation
study.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from ttame.attention.doubling import DoublingMechanism
from ttame.attention.lcam import LCAM
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.passing_mechanism import PassingMechanism
from ttame.attention.transformer_mechanism import BlockAttention, TokenAttention
from ttame.backbones.tokens import TokenLayout

Design = Callable[[Sequence[int], int, TokenLayout | None], nn.Module]
"""From the channels of the feature sets, the number of classes and the token layout to an untrained mechanism."""


def _no_skip(channels: Sequence[int], num_classes: int, layout: TokenLayout | None) -> nn.Module:
    # As published: nothing is added to the input any more, so the branches map to as many channels as classes.
    return AttentionMechanism(channels, num_classes, layout, skip=False, branch_width=num_classes)


DESIGNS: dict[str, Design] = {
    "ttame": partial(AttentionMechanism, version="TTAME"),
    "tame": partial(AttentionMechanism, version="TAME"),
    "ptame": partial(DoublingMechanism, version="TAME"),
    "lcam": LCAM,
    "passing": PassingMechanism,
    "no_skip": _no_skip,
    "no_skip_no_norm": partial(AttentionMechanism, skip=False, norm=False),
    "sigmoid_branches": partial(AttentionMechanism, activation=torch.sigmoid),
    "tattention_v1": partial(TokenAttention, fuse_by_attention=True, norm_first=False, activation=functional.relu),
    "tattention_v1_1": partial(TokenAttention, fuse_by_attention=True, norm_first=False, activation=functional.gelu),
    "tattention_v1_2": partial(TokenAttention, fuse_by_attention=True, norm_first=True, activation=functional.gelu),
    "tattention_v2": partial(TokenAttention, fuse_by_attention=False, norm_first=False, activation=functional.relu),
    "tattention_v2_1": partial(TokenAttention, fuse_by_attention=False, norm_first=False, activation=functional.gelu),
    "tattention_v2_2": partial(TokenAttention, fuse_by_attention=False, norm_first=True, activation=functional.gelu),
    "tattention_v3": BlockAttention,
}


def start_at(network: nn.Module, bias: float) -> None:
    """Set the bias of every raw map: before any training the maps lie around this value."""
    fuser = network.cnn_fuser if hasattr(network, "cnn_fuser") else network.fuser
    assert isinstance(fuser, nn.Conv2d)
    assert fuser.bias is not None
    nn.init.constant_(fuser.bias, bias)
