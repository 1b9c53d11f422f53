"""Artifacts of ours that were cut, emptied or replaced: the file is named, with what to run again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ttame.cli.main import main
from ttame.data.transforms import Preprocessing
from ttame.errors import NotDefined, TTameError
from ttame.store.maps_file import Maps, read_maps, write_maps
from ttame.store.statistics_file import read_statistics
from ttame.store.undefined import refuse_undefined, write_undefined

from .conftest import Refused

PREPROCESSING = Preprocessing((8, 8), 8, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def _maps(count: int) -> Maps:
    return Maps(
        [f"{index} é" for index in range(count)],
        torch.rand(count, 2, 3),
        torch.arange(count),
        None,
        None,
        1.0,
        0.5,
        PREPROCESSING,
        {0: "a"},
    )


def _cut(content: bytes, how: str) -> bytes:
    return {"empty": b"", "half": content[: len(content) // 2], "text": b"text", "start": content[:9]}[how]


HOW = ("empty", "half", "text", "start")


@pytest.mark.parametrize("how", HOW)
def test_broken_maps_are_refused(refused: Refused, how: str) -> None:
    assert main(["use", "small"]) == 0
    assert main(["datalists"]) == 0
    path = Path("results/small/maps/shapes_cnn/center.safetensors")
    write_maps(path, _maps(4))
    path.write_bytes(_cut(path.read_bytes(), how))
    refused("scores", "shapes_cnn", "center", names=(str(path),))


@pytest.mark.parametrize("how", HOW)
def test_broken_scores_are_refused(refused: Refused, how: str) -> None:
    assert main(["use", "small", "methods.training_free=[center]", "methods.trained=[]"]) == 0
    assert main(["datalists"]) == 0
    path = Path("results/small/scores/shapes_cnn/center.parquet")
    write_undefined(path, "no reason")
    path.write_bytes(_cut(path.read_bytes(), how))
    refused("tables", names=(str(path),))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(content=st.binary(max_size=80))
def test_any_bytes_are_refused_as_maps_and_statistics(tmp_path_factory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    with pytest.raises(TTameError, match="any"):
        read_maps(path)
    with pytest.raises(TTameError, match="any"):
        read_statistics(path, "cnn", {"center": ["ad_100"]})


@settings(derandomize=True, max_examples=10, deadline=None)
@given(count=st.integers(1, 5))
def test_maps_come_back(tmp_path_factory, count: int) -> None:
    path = tmp_path_factory.getbasetemp() / "maps.safetensors"
    write_maps(path, maps := _maps(count))
    found = read_maps(path)
    assert torch.equal(found.maps, maps.maps)
    assert (found.names, found.class_names, found.preprocessing) == (maps.names, maps.class_names, PREPROCESSING)


@settings(derandomize=True, max_examples=15, deadline=None)
@given(reason=st.text(alphabet="ab ,\"'é", min_size=1).map(str.strip).filter(bool))
def test_reasons_come_back(tmp_path_factory, reason: str) -> None:
    for ending in ("safetensors", "parquet", "csv", "json"):
        path = tmp_path_factory.getbasetemp() / f"undefined.{ending}"
        write_undefined(path, reason)
        with pytest.raises(NotDefined) as caught:
            refuse_undefined(path)
        assert str(caught.value) == reason
