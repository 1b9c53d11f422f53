"""Datalists that are none, over a folder of four images."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ttame.cli.main import main
from ttame.data.datalists import read_datalist, write_datalist
from ttame.errors import TTameError

from .conftest import SMALL, Refused

LISTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b"\n \n\n",
    "twice": b"0.png 1\n0.png 2\n",
    "missing": b"0.png 1\nnowhere.png 2\n",
    "no label": b"0.png 1\n1.png cat\n",
    "fraction": b"0.png 1.5\n",
    "comma": b"0.png,1\n",
    "tab": b"0.png\tone\n",
    "latin": "é.png 1\n".encode("latin-1"),
    "bytes": bytes(range(256)),
    "header": b"name label\n0.png 1\n",
    "json": b'{"0.png": 1}\n',
    "only numbers": b"1 2\n",
    "outside": b"../experiments/small.yaml 1\n",
}


def use_folder(evaluation: str | None = None) -> None:
    """Make an experiment on the folder `images` the active one."""
    images = Path("images")
    images.mkdir()
    for index in range(4):
        Image.new("RGB", (16, 16), (60 * index, 0, 0)).save(images / f"{index}.png")
    data = {
        "source": "folder",
        "roots": dict.fromkeys(("train", "validation", "evaluation"), "images"),
        "lists": {"evaluation": evaluation},
        "counts": {"train": 1, "validation": 1, "evaluation": None if evaluation else 2},
    }
    Path("experiments/folder.yaml").write_text(yaml.safe_dump(SMALL | {"data": data}))
    assert main(["use", "folder"]) == 0


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_list_is_refused(refused: Refused, text: bytes) -> None:
    use_folder("given.txt")
    Path("given.txt").write_bytes(text)
    message = refused("datalists")
    assert "given.txt" in message or "evaluation list" in message


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_list_that_is_no_file_is_refused(refused: Refused, kind: str) -> None:
    use_folder("given.txt")
    if kind == "folder":
        Path("given.txt").mkdir()
    refused("datalists", names=("given.txt",))


@settings(derandomize=True, max_examples=50, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_bytes_are_a_list_or_one_line(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(content)
    try:
        read_datalist(path)
    except TTameError as error:
        assert str(path) in str(error)  # noqa: PT017, some bytes are a list


NAMES = st.text(alphabet="abc é-_/.1", min_size=1).map(str.strip).filter(bool)


@settings(derandomize=True, max_examples=50, deadline=None)
@given(entries=st.dictionaries(NAMES, st.integers(-1, 2**40), min_size=1))
def test_a_list_comes_back(tmp_path_factory, entries: dict[str, int]) -> None:
    path = tmp_path_factory.getbasetemp() / "list.txt"
    write_datalist(path, list(entries.items()))
    assert read_datalist(path) == list(entries.items())
