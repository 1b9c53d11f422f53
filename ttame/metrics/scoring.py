"""What a classifier says of an image that a map changed: every metric that asks it again, for a batch of images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.metrics.imputation import images_at_once
from ttame.metrics.insertion_deletion import CURVES, area_under_curve, deletion_images, insertion_images
from ttame.metrics.masking import keep_most_salient
from ttame.metrics.road import ORDERS, perturbed_images, road_versions
from ttame.params.evaluation import CurveSettings, RoadSettings


def probability(backbone: Backbone, clean: Tensor, targets: Tensor) -> Tensor:
    """Softmax probability of the targets; in double precision, so that 1 - 1e-9 is not rounded to 1.

    Args:
        backbone: the frozen classifier.
        clean: (B, 3, H, W), normalised.
        targets: (B,) classes.

    Returns:
        (B,) float64 in [0, 1].
    """
    return _logits(backbone, clean).double().softmax(1).gather(1, targets[:, None])[:, 0]


def masked_probabilities(
    backbone: Backbone, images: Tensor, saliency: Tensor, targets: Tensor, shares: Sequence[int]
) -> dict[str, Tensor]:
    """Probabilities of the targets when only the most salient part of the image is kept, times its map.

    Args:
        backbone: the frozen classifier.
        images: (B, 3, H, W) in [0, 1].
        saliency: (B, H, W) in [0, 1].
        targets: (B,) classes.
        shares: percent of the pixels that are kept.

    Returns:
        (B,) float64 in [0, 1] for every `probability_<share>`.
    """
    found = {}
    for share in shares:
        masked = backbone.normalise(keep_most_salient(saliency, share)[:, None] * images)
        found[f"probability_{share}"] = probability(backbone, masked, targets)
    return found


def road_outcomes(
    backbone: Backbone,
    clean: Tensor,
    saliency: Tensor,
    targets: Tensor,
    names: Sequence[str],
    settings: RoadSettings,
    orders: Sequence[str] = ORDERS,
) -> dict[str, Tensor]:
    """Whether the target is still the top class once pixels are removed and filled.

    Args:
        backbone: the frozen classifier.
        clean: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        targets: (B,) classes.
        names: of the images, which seed the noise.
        settings: shares of the pixels, and the noise.
        orders: in which pixels go.

    Returns:
        (B,) bool for every `road_<order>_<share>` of these orders.
    """
    if not orders:
        return {}
    versions = road_versions(settings, orders)
    kept = []
    # A GPU fills hundreds of images in the time of a few.
    at_least = 0 if clean.device.type == "cpu" else images_at_once(clean)
    for rows in _groups(len(clean), len(versions), max(len(clean), at_least)):
        chosen = [names[row] for row in rows]
        perturbed = perturbed_images(clean[rows], saliency[rows], chosen, settings, orders).flatten(0, 1)
        slices = perturbed.split(max(len(clean), len(versions)))
        classes = torch.cat([_logits(backbone, part).argmax(1) for part in slices]).view(len(rows), len(versions))
        kept.append(classes == targets[rows, None])
    table = torch.cat(kept)
    return {f"road_{order}_{share}": table[:, column] for column, (order, share) in enumerate(versions)}


def insertion_and_deletion(
    backbone: Backbone,
    clean: Tensor,
    saliency: Tensor,
    targets: Tensor,
    unchanged: Tensor,
    settings: CurveSettings,
    curves: Sequence[str] = CURVES,
) -> dict[str, Tensor]:
    """The curves of insertion and deletion, and the areas below them.

    Args:
        backbone: the frozen classifier.
        clean: (B, 3, H, W), normalised.
        saliency: (B, H, W).
        targets: (B,) classes.
        unchanged: (B,) probability of the image itself.
        settings: points of a curve, and the blur.
        curves: which of the two.

    Returns:
        (B,) float64 in [0, 1] for every curve and its points, `insertion` and `insertion_<step>` say.
    """

    def changed_images(curve: str, rows: Tensor) -> Tensor:
        if curve == "insertion":
            return insertion_images(clean[rows], saliency[rows], settings.steps, settings.blur)
        return deletion_images(clean[rows], saliency[rows], settings.steps)

    columns: dict[str, Tensor] = {}
    for curve in curves:
        found = []
        for rows in _groups(len(clean), settings.steps, len(clean)):
            repeated = targets[rows].repeat_interleave(settings.steps)
            images = changed_images(curve, rows).flatten(0, 1)
            found.append(probability(backbone, images, repeated).view(len(rows), -1))
        changed, itself = torch.cat(found), unchanged[:, None]
        points = torch.cat([changed, itself] if curve == "insertion" else [itself, changed], dim=1)
        columns[curve] = area_under_curve(points)
        columns |= {f"{curve}_{step}": points[:, step] for step in range(settings.steps + 1)}
    return columns


def _groups(images: int, versions: int, at_once: int) -> Sequence[Tensor]:
    """Rows of a batch in groups whose versions together are about as many as may be there at once."""
    return torch.arange(images).split(max(1, at_once // versions))


def _logits(backbone: Backbone, images: Tensor) -> Tensor:
    """(B, K); versions of images come in PyTorch's own memory format, in which a CPU is slower by a third."""
    logits: Tensor = backbone(images.contiguous(memory_format=torch.channels_last))
    return logits
