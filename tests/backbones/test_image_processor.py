"""Processors of transformers against what `Preprocessing` makes of them, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from ttame.backbones.image_processor import read_preprocessing
from ttame.data.shapes import render
from ttame.data.transforms import Preprocessing, fit_image

HALF = (0.5, 0.5, 0.5)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


def _square(side: int) -> dict[str, int]:
    return {"height": side, "width": side}


KNOWN: list[tuple[str, dict[str, Any], Preprocessing]] = [
    ("ViT", {"size": _square(48)}, Preprocessing((48, 48), 48, "bilinear", HALF, HALF)),
    ("ViT", {"image_mean": MEAN, "image_std": STD}, Preprocessing((224, 224), 224, "bilinear", MEAN, STD)),
    ("ViT", {"do_normalize": False}, Preprocessing((224, 224), 224, "bilinear", (0, 0, 0), (1, 1, 1))),
    ("Siglip", {"resample": 1}, Preprocessing((224, 224), 224, "bicubic", HALF, HALF)),
    ("CLIP", {}, Preprocessing((224, 224), 224, "bicubic", *CLIP)),
    ("CLIP", {"size": {"shortest_edge": 256}}, Preprocessing((224, 224), 256, "bicubic", *CLIP)),
    ("DeiT", {"size": _square(256), "crop_size": _square(224)}, Preprocessing((224, 224), 256, "bicubic", HALF, HALF)),
    # Rules of their own: a share of the crop, 256 / 224, a scale from -1 to 1 with a second std.
    ("ConvNext", {"size": {"shortest_edge": 224}}, Preprocessing((224, 224), 256, "bicubic", HALF, HALF)),
    ("ConvNext", {"size": {"shortest_edge": 384}}, Preprocessing((384, 384), 384, "bicubic", HALF, HALF)),
    ("Levit", {}, Preprocessing((224, 224), 256, "bicubic", MEAN, STD)),
    ("EfficientNet", {"size": _square(64)}, Preprocessing((64, 64), 64, "bicubic", HALF, (0.25, 0.25, 0.25))),
]


def _processor(kind: str, **options: Any) -> Any:
    """Its class that resizes with Pillow, as ttame does."""
    import importlib

    module = importlib.import_module(f"transformers.models.{kind.lower()}.image_processing_pil_{kind.lower()}")
    return getattr(module, f"{kind}ImageProcessorPil")(**options)


@pytest.mark.parametrize(("kind", "options", "expected"), KNOWN, ids=lambda value: str(value)[:30])
def test_a_processor_is_followed_to_the_pixel(kind: str, options: dict[str, Any], expected: Preprocessing) -> None:
    processor = _processor(kind, **options)
    found = read_preprocessing(processor)
    assert (found.input_size, found.resize, found.interpolation) == (
        expected.input_size,
        expected.resize,
        expected.interpolation,
    )
    np.testing.assert_allclose([found.mean, found.std], [expected.mean, expected.std], atol=1e-6)
    image = Image.fromarray(render(3, 1).pixels).resize((400, 400))
    theirs = processor(images=image, return_tensors="np")["pixel_values"][0]
    crop = np.asarray(fit_image(image, found)).transpose(2, 0, 1) / 255
    ours = (crop - np.reshape(found.mean, (3, 1, 1))) / np.reshape(found.std, (3, 1, 1))
    # Lanczos is the one that is not followed to the pixel.
    np.testing.assert_allclose(ours, theirs, atol=0.5 if options.get("resample") == 1 else 1e-4)


def test_an_image_that_would_be_squashed_is_cropped_instead() -> None:
    processor = _processor("ViT", size=_square(64))
    image = Image.fromarray(render(3, 1).pixels).resize((128, 64))
    squashed = processor(images=image, return_tensors="np")["pixel_values"]
    crop = fit_image(image, read_preprocessing(processor))
    assert squashed.shape == (1, 3, 64, 64)
    assert crop.tobytes() == image.crop((32, 0, 96, 64)).tobytes()


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("ViT", {"do_resize": False}, "the size that it gives depends on the image"),
        ("ViT", {"resample": 0}, "it resizes with nearest; expected bilinear, bicubic or lanczos"),
        ("ViT", {"size": {"height": 64, "width": 32}}, "it does more than resize, crop and scale"),
        ("CLIP", {"size": {"shortest_edge": 200}}, "it does more than resize, crop and scale"),  # pads the crop
        ("Donut", {}, "it does more than resize, crop and scale"),  # pads
        ("MobileViT", {}, "it does more than resize, crop and scale"),  # gives blue, green, red
        ("Siglip2", {}, r"it gives pixel_values of \(1, 256, 768\)"),  # cuts patches itself
    ],
)
def test_what_cannot_be_said_is_refused(kind: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_preprocessing(_processor(kind, **options))


def test_a_processor_that_mirrors_is_refused() -> None:
    class Mirror:
        image_mean, image_std, resample = HALF, HALF, 2

        def __call__(self, images: list[Image.Image], return_tensors: str) -> dict[str, Any]:
            given = _processor("ViT", size=_square(32))(images=images, return_tensors=return_tensors)["pixel_values"]
            return {"pixel_values": given[..., ::-1]}

    with pytest.raises(ValueError, match="it mirrors images"):
        read_preprocessing(Mirror())
