"""Score-CAM (Wang et al., CVPRW 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.inner_batches import InnerBatches
from ttame.explainers.families.inner_precision import in_precision
from ttame.explainers.options import ScoreCAMOptions

EPSILON = 1e-8


class ScoreCAM(Explainer):
    """Channels weighted by what the classifier says of the image masked with them (equations 3 to 7).

    Two published codes differ. `weights: channel_softmax`, the default, is the paper and the package grad-cam: channels
    are resized with aligned corners and min-max normalised, weights are the softmax over the channels of the class
    logit, and they weigh the signed activations. `class_probability` is yiskw713/ScoreCAM: activations are rectified,
    resized without aligned corners and divided by their range (the minimum stays), weights are the probability of the
    class, and they weigh the resized channels.

    Target layer: the backbone's `target_layer`, a transformer's without its prefix tokens. One forward pass, and one
    for every channel; channels that are zero everywhere mask the image to the same black one, which runs once.

    Formula:
        L = relu(Σ_k w_k A_k),   w_k = softmax over channels of y(x · H_k)
        H_k: A_k enlarged to the image and min-max normalised

    Limits:
        One pass a channel: the slowest of the CAMs. The softmax of logits is nearly one channel where logits are large,
        and nearly the mean of all channels where they are small. A channel that is shown alone blackens most of the
        image, and the classifier was not trained on such pictures. On a transformer channels of patch tokens are no
        parts of an object.
    """

    def __init__(self, backbone: Backbone, options: ScoreCAMOptions) -> None:
        super().__init__(backbone, options)
        self._by_channel = options.weights == "channel_softmax"
        self._batches = InnerBatches(next(backbone.parameters()).device)
        self._logits = in_precision(backbone, options.precision)

    @torch.no_grad()
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, h, w) at the resolution of the target layer, or of the image with `class_probability`; not negative."""
        layer = self.backbone.target_layer
        _, features = self.backbone.features(images, [layer])
        activations = self.backbone.to_maps(features[layer])
        if not self._by_channel:
            activations = activations.relu()
        black = self._scores(torch.zeros_like(images[:1]))[0]
        maps = []
        for image, activation, target in zip(images, activations, targets, strict=True):
            scores = self._channel_scores(image, activation, target, black)
            maps.append(self._combine(image, activation, scores))
        return torch.stack(maps).relu()

    def _channel_scores(self, image: Tensor, activation: Tensor, target: Tensor, black: Tensor) -> Tensor:
        """(C,) score of the class when a channel masks the (3, H, W) image."""
        low, high = activation.amin((1, 2)), activation.amax((1, 2))
        alive = (high > low) if self._by_channel else (high > 0)
        channels = alive.nonzero()[:, 0]
        scores = black[target].repeat(len(activation))

        def work(start: int, stop: int) -> None:
            chosen = channels[start:stop]
            masks = self._masks(activation[chosen], tuple(image.shape[1:]))
            scores[chosen] = self._scores(image * masks[:, None])[:, target]

        self._batches.run(len(channels), work)
        return scores

    def _masks(self, channels: Tensor, size: tuple[int, ...]) -> Tensor:
        """(n, h, w) channels at the size of the image, (n, H, W)."""
        masks = functional.interpolate(channels[None], size, mode="bilinear", align_corners=self._by_channel)[0]
        low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
        if self._by_channel:
            return (masks - low) / (high - low + EPSILON)
        extent = high - low
        return masks / torch.where(extent == 0, torch.ones_like(extent), extent)

    def _scores(self, images: Tensor) -> Tensor:
        """(n, K) logits or probabilities."""
        logits = self._logits(images)
        return logits if self._by_channel else logits.softmax(1)

    def _combine(self, image: Tensor, activation: Tensor, scores: Tensor) -> Tensor:
        if self._by_channel:
            return torch.einsum("c,chw->hw", scores.softmax(0), activation)
        total = image.new_zeros(image.shape[1:])
        for start in range(0, len(activation), self._batches.size):
            part = slice(start, start + self._batches.size)
            total += torch.einsum("c,chw->hw", scores[part], self._masks(activation[part], tuple(image.shape[1:])))
        return total
