"""Images without their detail: what a metric or a training shows in place of pixels that it takes away."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def blurred(images: Tensor, blur: float) -> Tensor:
    """Gaussian blur, cut at two standard deviations, of a standard deviation that is a fraction of the shorter side.

    RISE uses a kernel of 11 pixels with a standard deviation of 5 and darkens the border; here the border is mirrored.

    Args:
        images: (B, C, H, W), any range.
        blur: standard deviation over min(H, W).

    Returns:
        (B, C, H, W).
    """
    deviation = blur * min(images.shape[2:])
    reach = max(1, math.ceil(2 * deviation))
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / deviation) ** 2)
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)
    padded = functional.pad(images, (reach, reach, reach, reach), mode="reflect")
    rows = functional.conv2d(padded, kernel, groups=images.shape[1])
    return functional.conv2d(rows, kernel.transpose(2, 3), groups=images.shape[1])
