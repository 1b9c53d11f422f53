"""Generic attention explainability (Chefer, Gur, Wolf, ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.attention_gradient import attention_times_gradient
from ttame.explainers.families.roll_out import roll_out
from ttame.explainers.options import NoOptions


class GAE(Explainer):
    """Relevance that starts as the identity and grows by R <- R + A R from the first layer to the last.

    A is the mean over heads of relu(attention * its gradient of the class logit); nothing is normalised (section 3).
    The row is the class token's, or what `AttentionLayers` says of a classifier by a mean over tokens or by attention
    pooling, whose query has no relevance of its own to start with. Target layers: every attention layer. One forward
    and one backward pass.

    Formula:
        R ← R + mean over heads of relu(A_b · ∇A_b) R, from R = I, first block to last; L = the deciding row of R

    Limits:
        The gradient of an attention weight says how the logit would change with it, not what came through it. Its
        positive part alone counts, so evidence against the class is not told from none.
    """

    def __init__(self, backbone: Backbone, options: NoOptions) -> None:
        super().__init__(backbone, options)
        self._attention = attention_layers(backbone, "gae")

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, rows, columns) of the patch grid, not negative."""
        layers = attention_times_gradient(self.backbone, self._attention, images, targets)
        return self._attention.deciding_map(roll_out(layers, normalise_rows=False))
