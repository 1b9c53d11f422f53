"""`<split>.images.csv`: the digest of every listed image as the datalists stage decoded it, and the check."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ttame.data.sources import Entry, ImageSource, ShapesSource, open_source
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import Split
from ttame.store.artifacts import atomic_path, reading

HEADER = ["name", "sha256"]


def digest_of(image: Image.Image) -> bytes:
    """SHA-256 of the decoded pixels."""
    return hashlib.sha256(image.tobytes()).digest()


def write_contents(path: Path, rows: Sequence[tuple[str, bytes]]) -> None:
    """Write names and digests, atomically."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((name, digest.hex()) for name, digest in rows)


def read_contents(path: Path) -> dict[str, bytes]:
    """The digest of every image by name.

    Raises:
        TTameError: when the file is missing or not as the datalists stage writes it.
    """
    try:
        with reading(path), path.open(newline="", encoding="utf-8") as file:
            return _parse(file)
    except FileNotFoundError:
        raise TTameError(f"{path}: no such file; run `python -m ttame datalists`") from None
    except (ValueError, csv.Error, IsADirectoryError):
        raise TTameError(
            f"{path}: broken, expected the columns name and sha256; run `python -m ttame datalists` again"
        ) from None


def _parse(file: Iterable[str]) -> dict[str, bytes]:
    rows = csv.reader(file)
    if next(rows, None) != HEADER:
        raise ValueError("no header")
    digests = {name: bytes.fromhex(digest) for name, digest in rows}
    if any(len(digest) != hashlib.sha256().digest_size for digest in digests.values()):
        raise ValueError("no SHA-256")
    return digests


class CheckedSource:
    """A source whose images must be those that the datalists stage saw."""

    def __init__(self, source: ImageSource, expected: Mapping[str, bytes], contents: Path) -> None:
        self._source = source
        self._expected = expected
        self._contents = contents

    def load(self, name: str) -> Image.Image:
        """Decode one image to RGB.

        Raises:
            TTameError: as the source does, and when its pixels are not those of the datalists stage.
        """
        if name not in self._expected:
            raise TTameError(f"{self._contents}: {name} is not in it; run `python -m ttame datalists` again")
        image = self._source.load(name)
        if digest_of(image) != self._expected[name]:
            raise TTameError(
                f"{name}: its pixels are not those that the datalists stage saw; put the photo back, or run `python "
                "-m ttame datalists` and then the engine again"
            )
        return image

    def available(self) -> Sequence[Entry]:
        return self._source.available()

    def refuse_missing(self, names: Sequence[str], where: str) -> None:
        self._source.refuse_missing(names, where)

    def identity(self, name: str) -> str:
        return self._source.identity(name)

    def object_mask(self, name: str) -> NDArray[np.bool_] | None:
        return self._source.object_mask(name)


def open_checked(data: DataSettings, split: Split, contents: Path) -> ImageSource:
    """The source of one split's images, each held against `contents`; what is rendered needs no check.

    Raises:
        TTameError: naming the folder that is missing, or `contents` when it is missing or broken.
    """
    source = open_source(data, split)
    return source if isinstance(source, ShapesSource) else CheckedSource(source, read_contents(contents), contents)
