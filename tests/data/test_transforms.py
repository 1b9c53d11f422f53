"""A photo keeps its shape whatever the sizes of the input and of the resizing are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ttame.data.transforms import Preprocessing, fit_image, fit_mask, resize_shorter_side

from ..conftest import IMAGENET

PHOTOS = [(600, 600), (640, 480), (480, 640), (90, 700)]
"""(width, height)."""


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize(("input_size", "resize"), [((224, 224), 256), ((224, 224), 200), ((224, 448), 256)])
def test_the_shape_of_a_photo_is_kept(photo: tuple[int, int], input_size: tuple[int, int], resize: int) -> None:
    preprocessing = Preprocessing(input_size, resize, "bilinear", *IMAGENET)
    width, height = resize_shorter_side(Image.new("RGB", photo), preprocessing).size
    scales = width / photo[0], height / photo[1]
    assert scales[0] == pytest.approx(scales[1], abs=0.5 / min(photo) + 0.5 / max(photo)), "but for rounding to pixels"
    assert (height, width) >= input_size
    assert width >= input_size[1]
    least = min(width - input_size[1], height - input_size[0], abs(min(width, height) - resize))
    assert least == 0, "no larger than the input and the resizing ask for"


def test_a_square_input_that_is_no_larger_than_the_resizing_asks_for_the_shorter_side_alone() -> None:
    preprocessing = Preprocessing((224, 224), 256, "bilinear", *IMAGENET)
    sizes = [resize_shorter_side(Image.new("RGB", photo), preprocessing).size for photo in PHOTOS]
    assert sizes == [(256, 256), (341, 256), (256, 341), (256, 1991)]


def test_a_circle_stays_one_in_a_wide_input() -> None:
    photo = Image.new("RGB", (120, 120))
    ImageDraw.Draw(photo).ellipse((40, 40, 80, 80), fill="white")
    preprocessing = Preprocessing((60, 120), 68, "bilinear", *IMAGENET)
    picture = np.asarray(fit_image(photo, preprocessing))[..., 0] > 127
    mask = fit_mask(np.asarray(photo)[..., 0] > 127, preprocessing)
    for seen in (picture, mask):
        assert seen.shape == (60, 120)
        assert seen.any(0).sum() == pytest.approx(seen.any(1).sum(), abs=1)
