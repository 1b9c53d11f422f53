from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from ttame.data.sources import FolderSource


def _make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name, "png")


def _names(folder: Path) -> list[str]:
    return [name for name, _ in FolderSource(folder).available()]


def test_links_in_a_circle_are_walked_once(tmp_path: Path) -> None:
    _make(tmp_path, "a/1.png", "a/b/2.png")
    (tmp_path / "a/b/loop").symlink_to(tmp_path)
    (tmp_path / "z").symlink_to(tmp_path / "a")
    assert _names(tmp_path) == ["a/1.png", "a/b/2.png"]


def test_endings_of_pillow_are_taken_and_the_rest_is_counted(tmp_path: Path, capsys) -> None:
    _make(tmp_path, "1.jfif", "2.JP2", "3.tga", "notes.txt", "bare", ".hidden.png", "Thumbs.db", "x/.DS_Store")
    assert _names(tmp_path) == ["1.jfif", "2.JP2", "3.tga"]
    assert _names(tmp_path) == ["1.jfif", "2.JP2", "3.tga"]
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {tmp_path}: 2 files have no ending of an image, 'bare' for one; they are left out"
    ]


def test_names_that_no_list_holds_are_left_out(tmp_path: Path, capsys) -> None:
    _make(tmp_path, "a.png", "b\n.png", "  c.png")
    if sys.platform == "linux":
        _make(tmp_path, os.fsdecode(b"d\xff.png"))
    assert _names(tmp_path) == ["a.png"]
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "images have names that no list can hold" in line


@pytest.mark.parametrize("name", ["photo", "photo.v2", "photo.png"])
def test_file_is_opened_as_named_before_an_ending_is_added(tmp_path: Path, name: str) -> None:
    _make(tmp_path, name)
    source = FolderSource(tmp_path)
    source.refuse_missing([name], "list")
    assert source.load(name).size == (4, 4)
