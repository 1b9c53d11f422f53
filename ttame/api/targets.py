"""The classes that a caller asks about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError

Targets = int | Sequence[int] | Tensor | None
"""A class for all images, one for each, or None for the model truths."""


def as_targets(targets: int | Sequence[int] | Tensor, images: Tensor, model: Backbone) -> Tensor:
    """(B,) int64 classes on the device of the (B, 3, H, W) images.

    Raises:
        TTameError: for a target that is no class, and other than one for each image.
    """
    count, classes = len(images), model.num_classes
    listed: Any = targets.tolist() if hasattr(targets, "tolist") else targets
    listed = list(listed) if isinstance(listed, range) else listed
    found = [_class(target) for target in (listed if isinstance(listed, list | tuple) else [listed])]
    if not isinstance(listed, list | tuple):
        found *= count
    if len(found) != count:
        raise TTameError(
            f"targets: {len(found)} for {count} images; expected one class for each, or one number for all"
        )
    for target in found:
        if not 0 <= target < classes:
            raise TTameError(f"targets: {target} is no class of {model.name}; expected 0 to {classes - 1}")
    return torch.tensor(found, dtype=torch.int64, device="cpu").to(images.device)


def _class(target: Any) -> int:
    plain = target.tolist() if hasattr(target, "tolist") else target
    if not isinstance(plain, int) or isinstance(plain, bool):
        raise TTameError(
            f"targets: {target!r:.60} is no class; expected None (the model truths), an int, or one int for each image"
        )
    return plain
