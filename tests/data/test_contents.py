from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from ttame.data.contents import digest_of, open_checked, read_contents, write_contents
from ttame.data.sources import ShapesSource
from ttame.errors import TTameError
from ttame.params.data import DataSettings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    rows = []
    for index in range(2):
        image = Image.new("RGB", (4, 4), (index, 0, 0))
        image.save(tmp_path / f"images/{index}, x.png")
        rows.append((f"{index}, x.png", digest_of(image)))
    write_contents(tmp_path / "evaluation.images.csv", rows)
    return tmp_path


def _open(folder: Path):
    data = DataSettings.model_validate({"roots": {"evaluation": str(folder / "images")}})
    return open_checked(data, "evaluation", folder / "evaluation.images.csv")


def test_photo_changed_after_the_datalists_is_named(folder: Path) -> None:
    assert _open(folder).load("1, x.png").size == (4, 4)
    Image.new("RGB", (4, 4), "white").save(folder / "images/1, x.png")
    _open(folder).load("0, x.png")
    with pytest.raises(TTameError, match=r"^1, x\.png: its pixels are not .*`python -m ttame datalists` and then"):
        _open(folder).load("1, x.png")
    Image.new("RGB", (4, 4)).save(folder / "images/2.png")
    with pytest.raises(TTameError, match=r"2\.png is not in it"):
        _open(folder).load("2.png")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"a,b\n", b"name,sha256\nx\n", b"name,sha256\nx,zz\n", b"name,sha256\nx,00\n", b'name,"'],
)
def test_broken_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "train.images.csv"
    path.write_bytes(content)
    with pytest.raises(TTameError, match=r"train\.images\.csv: broken.*run `python -m ttame datalists` again"):
        read_contents(path)


def test_missing_file_is_one_line_and_rendered_images_need_none(tmp_path: Path) -> None:
    with pytest.raises(TTameError, match=r"none\.csv: no such file; run"):
        read_contents(tmp_path / "none.csv")
    shapes = DataSettings.model_validate({"source": "shapes"})
    assert isinstance(open_checked(shapes, "evaluation", tmp_path / "none.csv"), ShapesSource)
