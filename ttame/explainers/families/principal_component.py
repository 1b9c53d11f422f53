"""The first principal component of a feature map, for the Eigen-CAMs."""

from __future__ import annotations

import torch
from torch import Tensor


def principal_component(maps: Tensor) -> Tensor:
    """Each position projected on the first principal direction of an image's channels.

    The (positions x channels) matrix is centred by column and projected on its first right singular vector. Its sign is
    arbitrary (the package grad-cam takes whatever LAPACK gives); here it is the one that agrees with the strength of
    the activation, so that CPU and GPU give the same map. Computed in float64 from the smaller Gram matrix.

    Args:
        maps: (B, C, h, w).

    Returns:
        (B, h, w), signed.
    """
    flat = maps.flatten(2).transpose(1, 2).double()
    centred = flat - flat.mean(1, keepdim=True)
    positions, channels = centred.shape[1:]
    if positions <= channels:
        _, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))
        # The singular value by its definition; a CPU's square root of a tensor depends on the processor's maker.
        singular_value = (centred.transpose(1, 2) @ vectors[:, :, -1:]).norm(dim=1)
        projection = vectors[:, :, -1] * singular_value
    else:
        _, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
        projection = (centred @ vectors[:, :, -1:])[..., 0]
    strength = flat.norm(dim=2)
    agreement = (projection * (strength - strength.mean(1, keepdim=True))).sum(1, keepdim=True)
    projection = torch.where(agreement < 0, -projection, projection)
    return projection.to(maps.dtype).unflatten(1, maps.shape[2:])
