"""What a library states of its classifier's last maps, to find a rule that stops at an earlier stage."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.hugging_face import HuggingFaceClassifier


def reads_last_stage(backbone: Backbone) -> bool | None:
    """Whether the target layer has the positions of the last maps that the library states.

    timm states them by `forward_intermediates`, transformers by its hidden states.

    Returns:
        None where the library states nothing (torchvision).
    """
    image = torch.zeros(1, 3, *backbone.preprocessing.input_size)
    with torch.no_grad():
        last = _last_maps(backbone.model, image)
    if last is None:
        return None
    layout = backbone.layout(backbone.target_layer)
    positions = layout.grid[0] * layout.grid[1]
    return last.shape[-2:].numel() == positions if last.ndim == 4 else last.shape[1] == layout.prefix_tokens + positions


def _last_maps(model: Any, image: Tensor) -> Tensor | None:
    """(1, C, h, w), or tokens (1, N, C)."""
    if isinstance(model, HuggingFaceClassifier):
        hidden: Tensor = model.model(image, output_hidden_states=True).hidden_states[-1]
        return hidden
    if not hasattr(model, "forward_intermediates"):
        return None
    maps: Tensor = model.forward_intermediates(image, output_fmt="NCHW", intermediates_only=True)[-1]
    return maps
