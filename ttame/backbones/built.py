"""A classifier as one of the libraries builds it, before it is frozen."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from torch import nn

from ttame.backbones.tokens import TokenLayout
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of


@dataclass(frozen=True)
class Built:
    """A module that gives logits, how it wants its images, and the names of its classes where they are known."""

    model: nn.Module
    preprocessing: Preprocessing
    class_names: list[str] | None = None


class Wrapper(nn.Module):
    """A module around a network of another library."""

    def state(self, layout: TokenLayout | None, global_pool: str = "token") -> None:
        """Say what `state_tokens` says."""
        state_tokens(self, layout, global_pool)


def state_tokens(module: nn.Module, layout: TokenLayout | None, global_pool: str = "token") -> None:
    """Say of a network what timm's transformers say of themselves and `read_token_layout` reads.

    Args:
        module: the network.
        layout: of its tokens; of a CNN, None, nothing is said.
        global_pool: what becomes of the tokens.
    """
    if layout is not None:
        # `nn.Module` declares its attributes as tensors and modules.
        module.__dict__["num_prefix_tokens"] = layout.prefix_tokens
        module.__dict__["patch_embed"] = SimpleNamespace(grid_size=layout.grid)
        module.__dict__["global_pool"] = global_pool


def import_library(module: str, extra: str, key: str) -> Any:
    """A library that only some models need.

    Raises:
        TTameError: when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        reason = reason_of(error, most=120)
        raise TTameError(f"{key}: needs {module} ({reason}); pip install 'ttame[{extra}]'") from None
