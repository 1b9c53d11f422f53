"""ROAD, remove and debias (Rong et al., ICML 2022): percent of the images still classified the same.

Lower is better when the most relevant pixels go first (MoRF), higher when the least relevant do (LeRF).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ttame.metrics.imputation import impute_linear
from ttame.metrics.masking import rank_pixels, removed_pixels
from ttame.params.evaluation import RoadSettings
from ttame.runtime.seeding import image_seed

ORDERS = ("morf", "lerf")


def road_versions(settings: RoadSettings) -> list[tuple[str, int]]:
    """Order and share of every perturbed version of an image: `morf` removes the most relevant pixels first, `lerf`
    the least relevant; shares are percent of the pixels."""
    return [(order, share) for order in ORDERS for share in settings.shares]


def perturbed_images(images: Tensor, saliency: Tensor, names: Sequence[str], settings: RoadSettings) -> Tensor:
    """Remove shares of the pixels and fill them by noisy linear imputation.

    Args:
        images: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        names: B names, which seed the noise; so a score does not depend on the batch or the device.
        settings: shares, of which exactly so many pixels are removed, ties by position; standard deviation and seed
            of the noise.

    Returns:
        (B, V, 3, H, W) on the device of `images`, the versions in the order of `road_versions`.
    """
    ranks = {"morf": rank_pixels(saliency), "lerf": rank_pixels(-saliency)}
    versions = road_versions(settings)
    removed = torch.stack([removed_pixels(ranks[order], share) for order, share in versions], dim=1)
    removed = removed.view(len(images), len(versions), *saliency.shape[1:])
    repeated = images.unsqueeze(1).expand(-1, len(versions), -1, -1, -1)
    filled = impute_linear(repeated.flatten(0, 1), removed.flatten(0, 1)).reshape(repeated.shape)
    noise = torch.zeros(repeated.shape)
    for image, (name, gone_of_image) in enumerate(zip(names, removed.cpu(), strict=True)):
        for version, ((order, share), gone) in enumerate(zip(versions, gone_of_image, strict=True)):
            random = np.random.default_rng([image_seed(settings.seed, name), share, ORDERS.index(order)])
            drawn = settings.noise * random.standard_normal((images.shape[1], int(gone.sum())))
            noise[image, version][:, gone] = torch.from_numpy(drawn).float()
    return filled + noise.to(filled)
