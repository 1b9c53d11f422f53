"""A classifier as one of the libraries builds it, before it is frozen."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from torch import nn

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of


@dataclass(frozen=True)
class Built:
    """A module that gives logits, how it wants its images, and the names of its classes where they are known."""

    model: nn.Module
    preprocessing: Preprocessing
    class_names: list[str] | None = None


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
