from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from ttame.data import shapes
from ttame.data.shapes import CLASS_NAMES, IMAGE_SIZE, render
from ttame.data.sources import ShapesSource
from ttame.errors import TTameError


def test_the_same_pair_gives_the_same_pixels() -> None:
    first, second = render(1, 7), render(1, 7)
    assert np.array_equal(first.pixels, second.pixels)
    assert not np.array_equal(first.pixels, render(1, 8).pixels)
    assert not np.array_equal(first.pixels, render(2, 7).pixels)


def test_pixels_are_those_the_classifiers_were_trained_on() -> None:
    """A change of numpy's generator or of the renderer would silently change every result."""
    digest = hashlib.sha256(b"".join(render(1, index).pixels.tobytes() for index in range(3))).hexdigest()
    assert digest[:16] == "963174242def6b49"


@pytest.mark.parametrize("index", range(20))
def test_the_truth_is_one_object_of_a_fair_size(index: int) -> None:
    image = render(3, index)
    assert image.pixels.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert ndimage.label(image.object_mask, np.ones((3, 3)))[1] == 1
    assert 0.03 < image.object_mask.mean() < 0.25


def test_all_classes_occur() -> None:
    assert {render(4, index).label for index in range(120)} == set(range(len(CLASS_NAMES)))


@pytest.mark.parametrize("name", ["cat.jpg", "shapes-1", "shapes-x-3"])
def test_name_that_is_no_shape_is_refused(name: str) -> None:
    with pytest.raises(TTameError, match="expected shapes-<seed>-<index>"):
        ShapesSource(1, "train").load(name)


def test_nothing_of_an_object_lies_outside_its_window(monkeypatch) -> None:
    images = range(300)
    windows = [render(7, index) for index in images]
    monkeypatch.setattr(shapes, "_window", lambda centre, radius: (slice(None), slice(None)))
    for index, found in zip(images, windows, strict=True):
        whole = render(7, index)
        assert np.array_equal(found.pixels, whole.pixels)
        assert np.array_equal(found.parts, whole.parts)
