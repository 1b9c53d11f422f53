"""The blurred image in place of what a mask takes away.

Black, or the mean colour, is an object of its own to a classifier, and a mask may learn to draw with it; a blurred
image has the colours and the light of the image and lacks its detail alone. Ours: no paper has it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.data.blurring import blurred

BLUR = 10 / 224
"""Standard deviation of the blur as a fraction of the shorter side."""


def fill_blurred(masked: Tensor, images: Tensor, masks: Tensor, chosen: Tensor, backbone: Backbone) -> Tensor:
    """Masked images, the chosen of which become n(m x + (1 - m) b(x)), b the blur.

    Normalisation is affine, so this is m n(x) + (1 - m) n(b(x)) too: the two input policies are one here.

    Args:
        masked: (B, 3, H, W) as `mask_images` gives them, normalised.
        images: (B, 3, H, W) in [0, 1].
        masks: (B, 1, h, w) in [0, 1], resized bilinearly to the image.
        chosen: (B,) bool.
        backbone: whose normalisation it is.
    """
    rows = chosen.to(masked.device).nonzero()[:, 0]
    sharp = images[rows]
    shown = functional.interpolate(masks[rows], images.shape[2:], mode="bilinear", align_corners=False)
    with torch.autocast(images.device.type, enabled=False):  # half precision would add noise to the blur
        filled = backbone.normalise(shown * sharp + (1 - shown) * blurred(sharp, BLUR))
    return masked.index_copy(0, rows, filled.to(masked.dtype))
