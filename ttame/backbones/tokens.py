"""How a transformer lays an image out as tokens, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ttame.errors import TTameError


@dataclass(frozen=True)
class TokenLayout:
    """How a transformer lays an image out as a sequence.

    Attributes:
        prefix_tokens: tokens before the patches (class, distillation, registers); the class token is the first.
        grid: (rows, columns) of patches.
    """

    prefix_tokens: int
    grid: tuple[int, int]

    def to_maps(self, tokens: Tensor) -> Tensor:
        """(B, C, rows, columns) of (B, prefix + rows * columns, C) tokens; the prefix is dropped.

        Raises:
            TTameError: when the sequence does not have this length.
        """
        rows, columns = self.grid
        if tokens.ndim != 3 or tokens.shape[1] != self.prefix_tokens + rows * columns:
            expected = f"(B, {self.prefix_tokens} + {rows} * {columns}, C)"
            raise TTameError(f"a feature layer gives {tuple(tokens.shape)}; expected {expected}")
        return tokens[:, self.prefix_tokens :].transpose(1, 2).unflatten(2, self.grid)


_STATED = "_ttame_token_layout"
"""What `state_token_layout` says: a name that no module of a library has."""


def state_token_layout(module: nn.Module, layout: TokenLayout | None) -> None:
    """Say of a network, for `read_token_layout`, how it lays an image out; of a CNN, None, nothing is said."""
    if layout is not None:
        module.__dict__[_STATED] = layout  # `nn.Module` declares its attributes as tensors and modules


def read_token_layout(model: nn.Module) -> TokenLayout | None:
    """The token layout that a transformer states about itself, or None for a CNN.

    timm's transformers state `num_prefix_tokens` and `patch_embed.grid_size`; torchvision's `class_token`,
    `image_size` and `patch_size`. A model of the user's may state timm's two, and a module around a transformer
    (normalisation, a Lightning module) states nothing and hides nothing.
    """
    stated = [layout for module in model.modules() if (layout := _stated(module)) is not None]
    # Of an ensemble of two that lay their tokens out in two ways neither speaks for the whole.
    return stated[0] if len(set(stated)) == 1 or _stated(model) is not None else None


def transformers_inside(model: nn.Module) -> list[nn.Module]:
    """The modules that state tokens: `model` itself, or those inside it."""
    return [module for module in model.modules() if _stated(module) is not None]


def _stated(module: nn.Module) -> TokenLayout | None:
    told: TokenLayout | None = module.__dict__.get(_STATED)
    if told is not None:
        return told
    stated: Any = module
    grid = getattr(getattr(module, "patch_embed", None), "grid_size", None)
    try:
        if grid is not None and hasattr(module, "num_prefix_tokens"):
            return TokenLayout(int(stated.num_prefix_tokens), (int(grid[0]), int(grid[1])))
        if isinstance(getattr(module, "class_token", None), Tensor) and hasattr(module, "patch_size"):
            side = int(stated.image_size) // int(stated.patch_size)
            return TokenLayout(1, (side, side))
    except (AttributeError, IndexError, TypeError, ValueError):
        pass  # attributes of these names that say something else
    return None
