"""A small vision transformer (Dosovitskiy et al., ICLR 2021) on a convolutional stem (Xiao et al., NeurIPS 2021).

timm has it too, but importing timm costs as much as importing torch, which every stage of the demo would pay. Layers
have timm's names, so that what reads timm's transformers reads this one, and the weights are timm's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones.token_linear import TokenLinear

EPSILON = 1e-6
"""Of every LayerNorm."""


class Attention(nn.Module):
    """Self-attention: (B, N, C) -> (B, N, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.num_heads = heads
        self.qkv = TokenLinear(width, 3 * width)
        self.proj = TokenLinear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        projected = self.qkv(tokens).unflatten(2, (3, self.num_heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return result


class MLP(nn.Module):
    """Two linear layers, the hidden one four times as wide: (B, N, C) -> (B, N, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = TokenLinear(width, 4 * width)
        self.act = nn.GELU()
        self.fc2 = TokenLinear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(self.act(self.fc1(tokens)))
        return result


class Block(nn.Module):
    """Attention and MLP, each after a norm and around a skip connection."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = MLP(width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        result: Tensor = tokens + self.mlp(self.norm2(tokens))
        return result


class ConvolutionalStem(nn.Module):
    """3x3 convolutions of stride 2 instead of a cut into patches: (B, 3, H, W) -> (B, N, C), row by row."""

    def __init__(self, image_size: int, widths: Sequence[int]) -> None:
        super().__init__()
        side = image_size // 2 ** len(widths)
        self.grid_size = (side, side)
        steps: list[nn.Module] = []
        for width_in, width in zip([3, *widths], widths, strict=False):
            last = len(steps) == len(widths) - 1
            layers: dict[str, nn.Module] = {"conv": nn.Conv2d(width_in, width, 3, 2, 1, bias=last)}
            if not last:
                layers |= {"bn": nn.BatchNorm2d(width), "act": nn.ReLU(inplace=True)}
            steps.append(nn.Sequential(OrderedDict(layers)))
        self.backbone = nn.Sequential(*steps)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.backbone(images)
        return maps.flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """Classifies by the class token: (B, 3, H, W) normalised images -> (B, K) logits."""

    num_prefix_tokens = 1

    def __init__(self, image_size: int, stem_widths: Sequence[int], depth: int, heads: int, classes: int) -> None:
        super().__init__()
        width = stem_widths[-1]
        self.patch_embed = ConvolutionalStem(image_size, stem_widths)
        rows, columns = self.patch_embed.grid_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + rows * columns, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, EPSILON)
        self.head = nn.Linear(width, classes)
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed(images)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1) + self.pos_embed
        logits: Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return logits

    def _initialise(self) -> None:
        for weight in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(weight, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
