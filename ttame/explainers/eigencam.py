"""Eigen-CAM (Muhammad and Yeasin, IJCNN 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.principal_component import principal_component


class EigenCAM(Explainer):
    """The first principal component of the target layer's activation (equation 2); it is the same for every class.

    Target layer: the backbone's `target_layer`, a transformer's without its prefix tokens. One forward pass.
    """

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) at the resolution of the target layer, not negative."""
        layer = self.backbone.target_layer
        _, features = self.backbone.features(images, [layer])
        return principal_component(self.backbone.to_maps(features[layer])).relu()
