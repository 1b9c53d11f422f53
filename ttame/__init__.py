"""Where does an image classifier look? T-TAME and the methods it is compared with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ttame.api import explain as explain
    from ttame.api import load_images as load_images
    from ttame.api import open_model as open_model

__version__ = "0.1.0"
__all__ = ["explain", "load_images", "open_model"]


def __getattr__(name: str) -> Any:
    """The functions for Python, imported when they are asked for: they need torch, which the workflow does not."""
    if name in __all__:
        return getattr(import_module("ttame.api"), name)
    raise AttributeError(f"module 'ttame' has no attribute {name!r}")
