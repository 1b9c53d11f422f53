"""Attention rollout (Abnar and Zuidema, ACL 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.attention.opening import AttentionStep
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.roll_out import roll_out
from ttame.explainers.options import RolloutOptions


class Rollout(Explainer):
    """The attention of the tokens that decide to the patches, through all layers; it is the same for every class.

    Mean over heads, plus the identity for the skip path, rows divided by their sum (section 3); some codes leave the
    division out, which `normalise_rows: false` does. The row is the class token's, or what `AttentionLayers` says of a
    classifier by a mean over tokens or by attention pooling. Target layers: every attention layer. One forward pass.

    Formula:
        L = the deciding row of (Ā_last + I) ... (Ā_first + I), rows divided by their sum
        Ā: mean over heads of the attention

    Limits:
        The class is never asked, and values and MLPs are left out: attention says what is mixed, not what is done with
        it. With many layers all rows become alike, and tokens that others use as storage are shown as if they were
        seen.
    """

    def __init__(self, backbone: Backbone, options: RolloutOptions) -> None:
        super().__init__(backbone, options)
        self._attention = attention_layers(backbone, "rollout")
        self._normalise_rows = options.normalise_rows

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, rows, columns) of the patch grid, not negative."""
        weights: list[Tensor] = []

        def tap(_: int, step: AttentionStep) -> Tensor:
            weights.append(step.weights.mean(1))
            return step.weights

        with self._attention.opened(self.backbone, tap):
            self.backbone(images)
        return self._attention.deciding_map(roll_out(weights, self._normalise_rows))
