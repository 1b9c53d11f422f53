"""Images that do not open: the datalists stage names the first."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Refused
from .test_lists import use_folder


def _header_of(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def _cut(form: str, share: float) -> bytes:
    """The beginning of a picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()[: int(share * file.tell())]


FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
IMAGES = {f"{form} {share}": _cut(form, share) for form in FORMATS for share in (0.02, 0.5)} | {
    "empty": b"",
    "zeros": bytes(1000),
    "text": b"no picture",
    "page": b"<html>404</html>",
    "huge": _header_of(2**30, 2**30),
    "bomb": _header_of(60000, 60000),
    "no size": _header_of(0, 0),
}


@pytest.mark.parametrize("content", IMAGES.values(), ids=IMAGES)
def test_image_is_refused(refused: Refused, content: bytes) -> None:
    use_folder()
    for path in Path("images").iterdir():
        path.write_bytes(content)
    refused("datalists", names=("images/", ".png"))
