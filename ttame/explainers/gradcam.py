"""Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.tokens import tokens_to_maps
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer


class GradCAM(Explainer):
    """ReLU of the activations weighted by the spatial mean of their gradient (equations 1 and 2).

    Target layer: the backbone's `target_layer`. On a transformer, activations and gradients are those of the patch
    tokens, laid out as the grid; the class token is dropped. One forward and one backward pass.
    """

    def __init__(self, backbone: Backbone, options: Mapping[str, Any], checkpoint: Path | None) -> None:
        self._backbone = backbone

    def __call__(self, images: Tensor, targets: Tensor, samples: Sequence[Sample] = ()) -> Tensor:
        """(B, h, w) at the resolution of the target layer, not negative."""
        backbone = self._backbone
        activation, gradient = backbone.activation_and_gradient(images, targets, backbone.target_layer)
        if backbone.tokens is not None:
            activation = tokens_to_maps(activation, backbone.tokens, "TAME")
            gradient = tokens_to_maps(gradient, backbone.tokens, "TAME")
        weights = gradient.mean((2, 3), keepdim=True)
        return (weights * activation).sum(1).relu()
