"""How a transformer lays an image out as tokens, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from ttame.errors import TTameError

Version = Literal["TAME", "TTAME"]


@dataclass(frozen=True)
class TokenLayout:
    """How a transformer lays an image out as a sequence.

    Attributes:
        prefix_tokens: tokens before the patches (class, distillation, registers); the class token is the first.
        grid: (rows, columns) of patches.
    """

    prefix_tokens: int
    grid: tuple[int, int]


def read_token_layout(model: nn.Module) -> TokenLayout | None:
    """The token layout that a transformer states about itself, or None for a CNN.

    timm's transformers state `num_prefix_tokens` and `patch_embed.grid_size`; torchvision's `class_token`,
    `image_size` and `patch_size`. A model of the user's may state timm's two.
    """
    stated: Any = model
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if grid is not None and hasattr(model, "num_prefix_tokens"):
        return TokenLayout(int(stated.num_prefix_tokens), (int(grid[0]), int(grid[1])))
    if isinstance(getattr(model, "class_token", None), Tensor) and hasattr(model, "patch_size"):
        side = int(stated.image_size) // int(stated.patch_size)
        return TokenLayout(1, (side, side))
    return None


def tokens_to_maps(tokens: Tensor, layout: TokenLayout, version: Version) -> Tensor:
    """Lay a transformer's patch tokens out as a feature map (T-TAME, IEEE Access 2024, section III).

    Args:
        tokens: (B, prefix + rows * columns, C), class token first.
        layout: number of prefix tokens and the grid.
        version: `TAME` drops the class token; `TTAME` multiplies every patch token by it, elementwise.

    Returns:
        (B, C, rows, columns).

    Raises:
        TTameError: when the sequence does not have the length of the layout, or `TTAME` finds no class token.
    """
    rows, columns = layout.grid
    if tokens.ndim != 3 or tokens.shape[1] != layout.prefix_tokens + rows * columns:
        raise TTameError(
            f"a feature layer gives {tuple(tokens.shape)}; expected (B, {layout.prefix_tokens} + {rows} * {columns}, C)"
        )
    patches = tokens[:, layout.prefix_tokens :]
    if version == "TTAME":
        if layout.prefix_tokens == 0:
            raise TTameError("version TTAME needs a class token and this model has none; use version TAME")
        patches = patches * tokens[:, :1]
    return patches.transpose(1, 2).reshape(len(tokens), -1, rows, columns)
