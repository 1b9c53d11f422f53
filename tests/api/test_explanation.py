from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import ttame
from ttame.data.transforms import fit_image
from ttame.report.pictures import overlay

from .conftest import SIDE, refused, small_cnn, wrapped


@pytest.fixture
def result(model, folder) -> ttame.Explanation:
    return ttame.Explainer("gradcam", model)([folder / "photos/1.png", folder / "photos/2.png"])


def test_what_the_classifier_saw_is_kept(result, model) -> None:
    for index in range(2):
        with Image.open(f"photos/{index + 1}.png") as photo:
            crop = fit_image(photo, model.preprocessing)
        assert np.array_equal(result.photos[index], np.asarray(crop))


def test_an_overlay_is_that_of_the_pipeline(result, folder) -> None:
    drawn = result.overlay("photos/2.png", index=1)
    assert drawn.size == (SIDE, SIDE)
    expected = np.round(255 * overlay(result.photos[1], result.saliency[1]))
    assert np.array_equal(np.asarray(drawn), expected)
    assert np.array_equal(np.asarray(result.overlay(index=1)), expected)
    with Image.open("photos/2.png") as photo:
        assert np.array_equal(np.asarray(result.overlay(photo, 1)), expected)
    grey = np.asarray(result.overlay(opacity=0.0)).astype(int)
    assert np.abs(grey - result.photos[0].mean(-1, keepdims=True)).max() <= 0.5
    drawn.save("drawn.png")
    assert np.array_equal(np.asarray(Image.open("drawn.png")), expected)


def test_a_notebook_shows_small_pictures_with_what_they_are_of(model) -> None:
    model.class_names = ("<b>", "bee", "cat", "dog", "elk")
    result = ttame.Explainer("gradcam", model)(torch.randn(10, 3, SIDE, SIDE), targets=0)
    shown = result._repr_html_()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', shown)
    assert len(pictures) == 8
    assert "and 2 more" in shown
    first = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0]))))
    assert np.array_equal(first, np.asarray(result.overlay(index=0)))
    assert f"&lt;b&gt; {100 * result.probabilities[0]:.1f} %" in shown
    assert len(shown) < 200_000


def test_pictures_of_large_inputs_are_made_smaller() -> None:
    model = ttame.wrap(small_cnn(), mean=(0, 0, 0), std=(1, 1, 1), input_size=(200, 400))
    shown = ttame.Explainer("center", model)(torch.rand(1, 3, 200, 400))._repr_html_()
    picture = re.findall(r"base64,([^\"]+)", shown)[0]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (160, 80)


def test_a_result_says_in_a_line_what_it_is(module, dtype) -> None:
    result = ttame.Explainer("gradcam", wrapped(module))(torch.randn(1, 3, SIDE, SIDE), targets=2)
    assert repr(result) == f"Explanation of 1 image by gradcam: cat {100 * result.probabilities[0]:.1f} %"
    result = ttame.Explainer("random", ttame.wrap(module, mean=(0, 0, 0), std=(1, 1, 1), input_size=SIDE))(
        torch.rand(2, 3, SIDE, SIDE), targets=2
    )
    assert "2 images by random: class 2 " in repr(result)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"index": 2}, "index: 2 is none of 2 images; expected 0 to 1"),
        ({"opacity": 2}, "opacity: 2; expected 0 to 1"),
        ({"opacity": "x"}, "opacity: 'x'; expected 0 to 1"),
        ({"photo": Image.new("RGB", (0, 0))}, r"photo: cannot be decoded \(0 x 0 pixels"),
        ({"photo": "nowhere.png"}, r"photo: nowhere\.png: no such image; mend the path"),
    ],
)
def test_what_cannot_be_drawn_is_said(said, message, result) -> None:
    refused(lambda: result.overlay(**said), message)
