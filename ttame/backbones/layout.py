"""How a layer's output lays the image out, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ttame.backbones.tokens import TokenLayout

Axes = Literal["channels_first", "channels_last", "tokens"]
MOST_PREFIX_TOKENS = 8
"""Class, distillation and register tokens that a sequence may begin with where the model does not say how many."""


@dataclass(frozen=True)
class Layout:
    """Where the positions of an image are in a layer's output.

    Attributes:
        axes: `channels_first` (B, C, h, w), `channels_last` (B, h, w, C), or `tokens` (B, prefix + h w, C).
        grid: (h, w).
        prefix_tokens: tokens before those of the image.
    """

    axes: Axes
    grid: tuple[int, int]
    prefix_tokens: int = 0

    def __str__(self) -> str:
        height, width = self.grid
        if self.axes == "tokens":
            return f"({self.prefix_tokens} + {height} x {width}, C)"
        return f"(C, {height}, {width})" if self.axes == "channels_first" else f"({height}, {width}, C)"

    @property
    def tokens(self) -> TokenLayout | None:
        """The layout of a sequence, None where the output is a map."""
        return TokenLayout(self.prefix_tokens, self.grid) if self.axes == "tokens" else None

    def to_maps(self, output: Tensor) -> Tensor:
        """(B, C, h, w) of a layer's output; prefix tokens are dropped."""
        if self.axes == "channels_first":
            return output
        return output.movedim(-1, 1) if self.tokens is None else self.tokens.to_maps(output)

    def replace_maps(self, output: Tensor, maps: Tensor) -> Tensor:
        """A layer's output of the images of `output`, with (n, C, h, w) in the place of its maps.

        Prefix tokens stay those of `output`, of which there are n, or one for all.
        """
        if self.axes == "channels_first":
            return maps
        if self.axes == "channels_last":
            return maps.movedim(1, -1)
        replaced = maps.flatten(2).transpose(1, 2)
        return torch.cat([output[:, : self.prefix_tokens].expand(len(maps), -1, -1), replaced], dim=1)


def possible_layouts(
    shape: tuple[int, ...], input_size: tuple[int, int], stated: TokenLayout | None = None
) -> list[Layout]:
    """The layouts that an output of this shape can have, the likeliest first.

    A map has the proportions of the input, but for a rounding of one. A sequence is as the model states it; where the
    model states nothing, it is as long as a grid of these proportions and a few prefix tokens.

    Args:
        shape: (B, ...) of the output.
        input_size: (H, W) of the images.
        stated: what the model says of its tokens.
    """
    if len(shape) == 4:
        found = [Layout("channels_first", (shape[2], shape[3])), Layout("channels_last", (shape[1], shape[2]))]
        return [layout for layout in found if _fits(layout.grid, input_size)]
    if len(shape) != 3:
        return []
    length = shape[1]
    if stated is not None:
        patches = math.prod(stated.grid)
        of_model = [Layout("tokens", stated.grid, p) for p in (stated.prefix_tokens, 0) if length == p + patches]
        if of_model:
            return of_model[:1]
    found = []
    for prefix in range(MOST_PREFIX_TOKENS + 1):
        grid = _grid(length - prefix, input_size)
        if grid is not None:
            found.append(Layout("tokens", grid, prefix))
    return found


def _fits(grid: tuple[int, int], input_size: tuple[int, int]) -> bool:
    """Whether h / w is H / W, but for a rounding of one, on a grid of two positions a side at least."""
    (height, width), (rows, columns) = grid, input_size
    return min(grid) >= 2 and abs(height * columns - width * rows) < max(rows, columns)


def _grid(positions: int, input_size: tuple[int, int]) -> tuple[int, int] | None:
    """The grid of the input's proportions with so many positions."""
    if positions < 4:
        return None
    height = round(math.sqrt(positions * input_size[0] / input_size[1]))
    grid = (height, positions // max(height, 1))
    return grid if math.prod(grid) == positions and _fits(grid, input_size) else None
