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

DESCRIPTIONS: dict[str, str] = {
    "ttame": "One branch a feature set: 1x1 convolution, batch norm, the input added, ReLU; the branches are enlarged "
    "to one size, joined, and fused by a 1x1 convolution to one map a class. On a transformer every patch token is "
    "multiplied by the class token first.",
    "tame": "The mechanism of T-TAME without the class token, which is dropped.",
    "ptame": "The mechanism of TAME on the layers of an auxiliary classifier, its branches enlarged by repeated "
    "doubling. Of the explained classifier training reads inputs and logits, and a map does not run it at all.",
    "lcam": "One 1x1 convolution from the last feature set to one map a class.",
    "passing": "T-TAME whose branches can pass their features on as they are, so that training starts with the class "
    "activation map of every class. In half of the images a drawn top part of the mask has to keep the class "
    "(`ranked_masks`), and what the mask takes away has to lose it (`complement`). A class that training never meets "
    "keeps its class activation map.",
    "no_skip": "T-TAME whose branches do not add their input; they map to as many channels as there are classes.",
    "no_skip_no_norm": "T-TAME whose branches are a 1x1 convolution and ReLU, with neither batch norm nor their input.",
    "sigmoid_branches": "T-TAME whose branches end in a sigmoid instead of ReLU.",
    "tattention_v1": "Branches of self-attention over all tokens, LayerNorm, their input added, ReLU, and one more "
    "self-attention over the joined branches.",
    "tattention_v1_1": "TAttention V1 with GELU instead of ReLU.",
    "tattention_v1_2": "TAttention V1.1 with LayerNorm before the self-attention.",
    "tattention_v2": "TAttention V1 without the self-attention over the joined branches.",
    "tattention_v2_1": "TAttention V2 with GELU instead of ReLU.",
    "tattention_v2_2": "TAttention V2.1 with LayerNorm before the self-attention.",
    "tattention_v3": "Branches of one transformer block each, with LayerNorm before its halves, one for both as "
    "published. Feature maps of a CNN become sequences of positions.",
}
"""What each of them is, in a sentence or two for its page in the documentation."""


def start_at(network: nn.Module, bias: float) -> None:
    """Set the bias of every raw map: before any training the maps lie around this value."""
    fuser = network.cnn_fuser if hasattr(network, "cnn_fuser") else network.fuser
    assert isinstance(fuser, nn.Conv2d)
    assert fuser.bias is not None
    nn.init.constant_(fuser.bias, bias)
