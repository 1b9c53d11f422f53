from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.ndimage
import torch

from ttame.data.blurring import blurred


@pytest.mark.parametrize("size", [(40, 40), (30, 50)])
def test_blur_against_scipy(size) -> None:
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    deviation = 0.05 * min(size)
    expected = scipy.ndimage.gaussian_filter(
        image[0].numpy(), (0, deviation, deviation), mode="mirror", radius=(0, *2 * [math.ceil(2 * deviation)])
    )
    np.testing.assert_allclose(blurred(image, 0.05)[0].numpy(), expected, atol=1e-12)
