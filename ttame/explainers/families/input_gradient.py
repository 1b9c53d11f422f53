"""The gradient of a class with respect to the image, summed over versions of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.explainers.families.inner_batches import InnerBatches

Versions = Callable[[Tensor, int, int], Iterable[Tensor]]
"""Of (B, 3, H, W) images, `start` and `stop`: for each image in turn its (stop - start, 3, H, W) versions."""


def input_gradient(backbone: Backbone, images: Tensor, targets: Tensor) -> Tensor:
    """Gradient of each image's target logit with respect to the image; one forward and one backward pass.

    Args:
        backbone: the classifier.
        images: (B, 3, H, W), normalised.
        targets: (B,) classes.

    Returns:
        (B, 3, H, W).
    """
    with torch.enable_grad():
        leaf = images.detach().requires_grad_()
        # The classifier gets a copy, since it may change its input in place.
        scores = backbone(leaf.clone()).gather(1, targets[:, None]).sum()
        (gradient,) = torch.autograd.grad(scores, leaf)
    backbone.passes.backward += len(images)
    return gradient


@torch.no_grad()
def sum_of_gradients(
    backbone: Backbone, batches: InnerBatches, images: Tensor, targets: Tensor, versions: Versions, weights: Tensor
) -> Tensor:
    """The weighted sum, over N versions of an image, of the gradient of its target's logit at the version.

    Args:
        backbone: the classifier.
        batches: how many versions of an image go through the classifier together.
        images: (B, 3, H, W), normalised.
        targets: (B,) classes.
        versions: makes those of all images for a slice of the N.
        weights: (N,) of the versions.

    Returns:
        (B, 3, H, W), in float32 where the images are in half precision.
    """
    dtype = torch.promote_types(images.dtype, torch.float32)  # in half precision the sum would drown in its rounding
    totals = torch.zeros_like(images, dtype=dtype)
    weights = weights.to(totals)

    def work(start: int, stop: int) -> None:
        sums = []
        for several, target in zip(versions(images, start, stop), targets, strict=True):
            gradients = input_gradient(backbone, several, target.expand(len(several)))
            sums.append(torch.einsum("n,nchw->chw", weights[start:stop], gradients.to(dtype)))
        totals.add_(torch.stack(sums))

    batches.run(len(weights), work)
    return totals
