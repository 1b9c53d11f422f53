"""Iterated integrated attributions (Barkan et al., ICCV 2023)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.iia_cnn import integrate_activations
from ttame.explainers.families.iia_transformer import integrate_attention
from ttame.explainers.options import IIAOptions


class IIA(Explainer):
    """Gradients of the class logit integrated over interpolations of the image and of what the network makes of it.

    The published behaviour is the default. On a CNN that is an integral over the image alone, since the published code
    for the activations is degenerate; `double_integral` is the paper's. On a transformer both are integrated, and the
    row is the class token's, or what `AttentionLayers` says of a classifier by a mean over tokens or attention pooling.

    Target layer: the backbone's `target_layer` on a CNN, every attention layer on a transformer. S + 1 forward and
    backward passes on a CNN, (S + 1) (S + 2) and (S + 1)^2 on a transformer, for S steps.

    Formula:
        On a CNN L = Σ_k Σ_s g_k(s) relu(A_k(s)),   A(s), g(s): at the image times s / S, s = 0..S
        On a transformer the roll-out of mean_st relu(attention · gradient), at the image times s / S and the
        last layer's attention times t / S

    Limits:
        Starts at the black image, which is a picture that the classifier was not trained on. On a transformer it takes
        (S + 1)² runs with all attention matrices in memory: the most expensive of the methods that need no training but
        RISE. The published code for CNNs is not the paper's double integral.
    """

    def __init__(self, backbone: Backbone, options: IIAOptions) -> None:
        super().__init__(backbone, options)
        self._steps = options.steps
        self._double = options.double_integral
        self._attention = attention_layers(backbone, "iia") if backbone.is_transformer else None

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, H, W) on a CNN, resized bicubically as published; (B, rows, columns) on a transformer."""
        if self._attention is not None:
            return integrate_attention(self.backbone, self._attention, images, targets, self._steps)
        return integrate_activations(self.backbone, images, targets, self._steps, self._double)
