"""ROAD, remove and debias (Rong et al., ICML 2022): percent of the images still classified the same.

Lower is better when the most relevant pixels go first (MoRF), higher when the least relevant do (LeRF).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttame.metrics.imputation import impute_linear
from ttame.metrics.masking import rank_pixels, removed_pixels
from ttame.params.evaluation import RoadSettings
from ttame.runtime.seeding import image_seed

ORDERS = ("morf", "lerf")


def road_versions(settings: RoadSettings, orders: Sequence[str] = ORDERS) -> list[tuple[str, int]]:
    """Order and share of every perturbed version of an image: `morf` removes the most relevant pixels first, `lerf`
    the least relevant; shares are percent of the pixels."""
    return [(order, share) for order in orders for share in settings.shares]


def perturbed_images(
    images: Tensor, saliency: Tensor, names: Sequence[str], settings: RoadSettings, orders: Sequence[str] = ORDERS
) -> Tensor:
    """Remove shares of the pixels and fill them by noisy linear imputation.

    Args:
        images: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        names: B names, which seed the noise; so a score does not depend on the batch or the device.
        settings: shares, of which exactly so many pixels are removed, ties by position; standard deviation and seed
            of the noise.
        orders: in which pixels go; one alone gives the same images as both together.

    Returns:
        (B, V, 3, H, W) on the device of `images`, the versions in the order of `road_versions`.
    """
    ranks = {order: rank_pixels(saliency if order == "morf" else -saliency) for order in orders}
    versions = road_versions(settings, orders)
    removed = torch.stack([removed_pixels(ranks[order], share) for order, share in versions], dim=1)
    removed = removed.view(len(images), len(versions), *saliency.shape[1:])
    repeated = images.unsqueeze(1).expand(-1, len(versions), -1, -1, -1)
    filled = impute_linear(repeated.flatten(0, 1), removed.flatten(0, 1)).reshape(repeated.shape)
    drawn = _draw_noise(names, versions, images.shape[1] * removed.flatten(2).sum(2).cpu().numpy(), settings)
    noise = torch.zeros_like(filled)
    return filled + noise.masked_scatter_(removed[:, :, None].expand(noise.shape), drawn.to(noise))


def _draw_noise(
    names: Sequence[str], versions: Sequence[tuple[str, int]], counts: NDArray[np.int64], settings: RoadSettings
) -> Tensor:
    """One value after the other, (B, V) `counts` of them, on the CPU: a GPU draws other numbers."""

    def draw(pair: tuple[str, tuple[str, int]], count: int) -> NDArray[np.float32]:
        name, (order, share) = pair
        random = np.random.default_rng([image_seed(settings.seed, name), share, ORDERS.index(order)])
        return (settings.noise * random.standard_normal(count)).astype(np.float32)

    pairs = itertools.product(names, versions)
    # NumPy draws without the interpreter's lock; on a GPU this is what takes long.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        parts = pool.map(draw, pairs, counts.ravel())
        return torch.from_numpy(np.concatenate(list(parts)))
