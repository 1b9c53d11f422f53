"""Ablation-CAM (Desai and Ramaswamy, WACV 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.recording import Recording
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.inner_batches import InnerBatches
from ttame.explainers.options import AblationCAMOptions

PUBLISHED_DROP = 1e7


class AblationCAM(Explainer):
    """Channels weighted by the relative drop of the class logit without them, (y - y_c) / y (equation 3).

    `ablated_value: zero`, the default, is the paper. `published` is the package grad-cam: 0 where the smallest
    activation is 0, else 1e7 below the smallest. On a transformer a channel is ablated in every token. The division has
    no guard against small or negative logits, as published, but for a logit of exactly 0 it is left out.

    Target layer: the backbone's `target_layer`. One forward pass, and for every channel what depends on the target
    layer (`Backbone.rerun`); a channel that is zero everywhere changes nothing, so its weight is 0 without a pass.

    Formula:
        L = relu(Σ_k w_k A_k),   w_k = (y - y_k) / y,   y_k: the logit without channel k

    Limits:
        Divides by the logit of the class, so a logit near 0 makes weights large, and a negative one turns them round.
        Channels that carry the same evidence are each dispensable, and all get little. On transformers channels of the
        last block's patch tokens are no parts of an object: on the embedded one the order of the pixels is worse than
        random.
    """

    def __init__(self, backbone: Backbone, options: AblationCAMOptions) -> None:
        super().__init__(backbone, options)
        self._published = options.ablated_value == "published"
        self._batches = InnerBatches(next(backbone.parameters()).device)

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) at the resolution of the target layer, not negative."""
        recording = self.backbone.record(images, self.backbone.target_layer)
        weights = torch.stack([self.weights(recording.of(index), target) for index, target in enumerate(targets)])
        activation = self.backbone.to_maps(recording.activation)
        return torch.einsum("bc,bchw->bhw", weights, activation).relu()

    def weights(self, recording: Recording, target: Tensor) -> Tensor:
        """(C,) weights of the channels of one recorded image."""
        activation = recording.activation
        axis = 1 if self.backbone.tokens is None else 2
        smallest = activation.min()
        value = smallest - PUBLISHED_DROP if self._published and smallest != 0 else torch.zeros_like(smallest)
        others = tuple(other for other in range(activation.ndim) if other != axis)
        channels = (activation != value).any(others).nonzero()[:, 0]
        score = recording.logits[0, target]
        drops = activation.new_zeros(activation.shape[axis])

        def work(start: int, stop: int) -> None:
            chosen = channels[start:stop]
            ablated = activation.repeat(len(chosen), *[1] * (activation.ndim - 1))
            ablated.movedim(axis, 1)[torch.arange(len(chosen), device=activation.device), chosen] = value
            drops[chosen] = score - self.backbone.rerun(recording, ablated)[:, target]

        self._batches.run(len(channels), work)
        return drops / torch.where(score == 0, torch.ones_like(score), score)
