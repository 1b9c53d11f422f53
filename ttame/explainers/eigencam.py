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

    Formula:
        L = relu(C v₁),   v₁: first right singular vector of C
        C: the (positions x channels) matrix of the activation, centred by channel

    Limits:
        The class is never asked: it shows what varies most in the layer, which is the object where there is one object
        and nothing else. With two objects, or a strong background, it shows the same for every class. On a transformer
        the strongest component is often made of a few tokens that hold no part of the object.
    """

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) at the resolution of the target layer, not negative."""
        layer = self.backbone.target_layer
        _, features = self.backbone.features(images, [layer])
        return principal_component(self.backbone.to_maps(features[layer])).relu()
