from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import nn

from ttame.attention.blurred_fill import fill_blurred
from ttame.attention.masking import InputPolicy, mask_images
from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ..conftest import IMAGENET


@pytest.mark.parametrize("policy", ["raw_normalize", "new", "renormalize"])
def test_chosen_images_are_filled_as_scipy_blurs(policy: InputPolicy) -> None:
    rows, columns = 48, 64
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    backbone = Backbone("x", model, Preprocessing((rows, columns), rows, "bilinear", *IMAGENET), ["0"], "0")
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, rows, columns, generator=generator, dtype=torch.float64)
    masks = torch.rand(3, 1, rows, columns, generator=generator, dtype=torch.float64)
    chosen = torch.tensor([True, False, True])
    masked = mask_images(images, masks, backbone, policy)
    found = fill_blurred(masked, images, masks, chosen, backbone)
    assert torch.equal(found[1], masked[1])
    mean, std = (np.array(values)[:, None, None] for values in IMAGENET)
    deviation = rows * 10 / 224
    for index in (0, 2):
        image, mask = images[index].numpy(), masks[index].numpy()
        radius = math.ceil(2 * deviation)
        blurred = scipy.ndimage.gaussian_filter(
            image, (0, deviation, deviation), mode="mirror", radius=(0, radius, radius)
        )
        expected = (mask * image + (1 - mask) * blurred - mean) / std
        np.testing.assert_allclose(found[index].numpy(), expected, atol=1e-12)


def test_an_open_mask_takes_nothing_away_and_gradients_reach_a_closed_one(tiny_cnn) -> None:
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    chosen = torch.ones(2, dtype=torch.bool)
    open_masks = torch.ones(2, 1, 8, 8)
    found = fill_blurred(torch.zeros_like(images), images, open_masks, chosen, tiny_cnn)
    torch.testing.assert_close(found, tiny_cnn.normalise(images), atol=1e-6, rtol=0)
    closed = torch.zeros(2, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(fill_blurred(images, images, closed, chosen, tiny_cnn).square().sum(), closed)
    assert gradient.abs().sum() > 0
