"""ROAD, remove and debias (Rong et al., ICML 2022)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.metrics.imputation import impute_linear
from ttame.metrics.masking import rank_pixels, removed_pixels
from ttame.seeding import image_seed
from ttame.settings import RoadSettings

ORDERS = ("morf", "lerf")
HIGHER_IS_BETTER = {"morf": False, "lerf": True}


def perturbed_images(
    images: Tensor, saliency: Tensor, names: Sequence[str], order: str, share: int, settings: RoadSettings
) -> Tensor:
    """Remove a share of the pixels and fill them by noisy linear imputation.

    Args:
        images: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        names: B names, which seed the noise; so a score does not depend on the batch or the device.
        order: `morf` removes the most relevant pixels first, `lerf` the least relevant.
        share: percent of the pixels; exactly this many are removed, ties by position.
        settings: standard deviation and seed of the noise.

    Returns:
        (B, 3, H, W) on the device of `images`.
    """
    ranked = rank_pixels(saliency if order == "morf" else -saliency)
    removed = removed_pixels(ranked, share).view(saliency.shape).cpu().numpy()
    filled = []
    for image, gone, name in zip(images.cpu().numpy(), removed, names, strict=True):
        perturbed = impute_linear(image, gone)
        random = np.random.default_rng([image_seed(settings.seed, name), share, ORDERS.index(order)])
        perturbed[:, gone] += settings.noise * random.standard_normal((image.shape[0], int(gone.sum())))
        filled.append(torch.from_numpy(perturbed).to(images.dtype))
    return torch.stack(filled).to(images.device)
