"""SmoothGrad (Smilkov et al., arXiv 1706.03825, 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer
from ttame.explainers.families.inner_batches import LARGEST_WITH_GRADIENT, InnerBatches
from ttame.explainers.families.input_gradient import sum_of_gradients
from ttame.explainers.options import SmoothGradOptions


class SmoothGrad(Explainer):
    """The mean gradient of the class logit at N copies of the image with Gaussian noise (section 2.2).

    The mean is of signed gradients, as in the paper; its absolute value, which the paper shows for photographs
    (section 3.1), is the map. Package captum's NoiseTunnel over Saliency takes the mean of absolute gradients unless it
    is told `abs=False`. The standard deviation of the noise is a share of the image's range, which is its largest minus
    its smallest normalised value. The noise comes from the seed and is the same for all images but for that factor; it
    is drawn a slice at a time, so memory does not grow with N. One draw without noise is the plain gradient.

    N forward and N backward passes; the target layer is the image.

    Formula:
        L = Σ_c |1/N Σ_n ∂y(x + ε_n) / ∂x_c|,   ε_n ~ N(0, (noise · range of x)²)

    Limits:
        Says where the logit is sensitive, not what it is made of: sums to nothing, and an edge is shown whether it
        speaks for the class or against it. The noise is a picture that the classifier was not trained on; with too much
        of it the map explains the noise.
    """

    def __init__(self, backbone: Backbone, options: SmoothGradOptions) -> None:
        super().__init__(backbone, options)
        self._noise = options.noise
        self._seed = options.seed
        self._weights = torch.full((options.draws,), 1 / options.draws, dtype=torch.float64)
        self._batches = InnerBatches(next(backbone.parameters()).device, LARGEST_WITH_GRADIENT)

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """(B, H, W) at the resolution of the image, the absolute mean gradients summed over channels."""
        mean = sum_of_gradients(self.backbone, self._batches, images, targets, self._noisy, self._weights)
        return mean.abs().sum(1)

    def _noisy(self, images: Tensor, start: int, stop: int) -> Iterator[Tensor]:
        noise = draw_noise(start, stop, tuple(images.shape[1:]), self._seed).to(images)
        for image in images:
            yield image + self._noise * (image.amax() - image.amin()) * noise


def draw_noise(start: int, stop: int, shape: tuple[int, ...], seed: int) -> Tensor:
    """Standard normal noise of the draws `start` to `stop`, (stop - start, *shape); each is the same in any slice."""
    draws = [np.random.default_rng([seed, draw]).standard_normal(shape) for draw in range(start, stop)]
    return torch.from_numpy(np.stack(draws))
