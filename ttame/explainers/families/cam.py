"""Class activation maps: what a layer's activation, and its gradient, say about a class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer


class GradientCAM(Explainer):
    """A method that combines the activation of the target layer with its gradient of the class logit.

    Target layer: the backbone's `target_layer`. On a transformer, activations and gradients are those of the patch
    tokens, laid out as the grid; prefix tokens are dropped. One forward and one backward pass, which ends at the layer.
    Float32 on every device.
    """

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) at the resolution of the target layer, not negative."""
        backbone = self.backbone
        activation, gradient = backbone.activation_and_gradient(images, targets, backbone.target_layer)
        return self.combine(backbone.to_maps(activation), backbone.to_maps(gradient)).relu()

    @abstractmethod
    def combine(self, activation: Tensor, gradient: Tensor) -> Tensor:
        """(B, h, w), signed, of two (B, C, h, w); the caller rectifies it."""
