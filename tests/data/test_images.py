from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ttame.data.images import open_rgb
from ttame.errors import TTameError

GRADIENT = np.linspace(0, 255, 64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(GRADIENT)
    path = tmp_path / "image.tif" if mode == "CMYK" else tmp_path / "image.png"
    if mode == "I;16":
        Image.fromarray(GRADIENT.astype(np.uint16) * 257).save(path)
    else:
        image.convert("RGB").convert(mode).save(path)
    opened = open_rgb(path)
    assert (opened.mode, opened.size) == ("RGB", (8, 8))
    if mode not in ("1", "P"):  # these two round the colours
        np.testing.assert_allclose(np.asarray(opened).mean(2), GRADIENT, atol=3)


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert np.asarray(open_rgb(tmp_path / "clear.png")).min() == 255


def test_a_colour_that_is_transparent_lies_on_white_too(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), (255, 0, 0))
    image.putpixel((1, 0), (0, 0, 255))
    image.save(tmp_path / "key.png", transparency=(255, 0, 0))
    opened = open_rgb(tmp_path / "key.png")
    assert [opened.getpixel((column, 0)) for column in (0, 1)] == [(255, 255, 255), (0, 0, 255)]


def test_orientation_of_the_camera_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert open_rgb(tmp_path / "turned.jpg").size == (2, 4)


def test_one_pixel(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (10, 20, 30)).save(tmp_path / "dot.png")
    assert open_rgb(tmp_path / "dot.png").getpixel((0, 0)) == (10, 20, 30)


def _truncated(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "no such image"),
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_text("hello"), "not an image"),
        (_truncated, "cannot be decoded"),
        (lambda path: Image.new("F", (2, 2)).save(path, "tiff"), "no agreed range"),
        (lambda path: Image.new("RGB", (60000, 1)).save(path, "png"), "60000 x 1 pixels, longer than 500 times"),
    ],
    ids=["missing", "empty", "text", "truncated", "float", "line"],
)
def test_bad_file_is_named_in_one_line(tmp_path: Path, make, reason: str) -> None:
    path = tmp_path / "bad.jpg"
    make(path)
    with pytest.raises(TTameError, match=reason) as caught:
        open_rgb(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
