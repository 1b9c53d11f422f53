from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.store.maps_file import Maps, read_maps, write_maps

from ..conftest import IMAGENET, whole_maps

PREPROCESSING = Preprocessing((32, 48), 36, "bicubic", *IMAGENET)


def _maps() -> Maps:
    targets = torch.tensor([7, 2, 7])
    return Maps(
        names=["a", "b", "c"],
        maps=torch.rand(3, 4, 6),
        targets=targets,
        forward_passes=1.0,
        backward_passes=0.5,
        preprocessing=PREPROCESSING,
        class_names={2: "hen", 7: "ibis"},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = _maps()
    write_maps(tmp_path / "maps.safetensors", written)
    read = whole_maps(tmp_path / "maps.safetensors")
    assert torch.equal(read.maps, written.maps)
    assert torch.equal(read.targets, written.targets)
    assert read.preprocessing == PREPROCESSING
    assert read.class_names == {2: "hen", 7: "ibis"}
    assert (read.names, read.forward_passes, read.backward_passes) == (["a", "b", "c"], 1.0, 0.5)


def test_facts_of_the_classifier_are_no_tensors(tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    write_maps(path, _maps())
    assert load_file(path).keys() == {"maps", "targets"}
    with safe_open(path, framework="pt") as file:
        assert list(file.metadata()) == ["ttame"]
        assert json.loads(file.metadata()["ttame"])["preprocessing"]["input_size"] == [32, 48]


def test_files_that_say_too_little_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    with pytest.raises(TTameError, match="no such maps"):
        read_maps(path)
    tensors = {"maps": torch.zeros(1, 2, 2), "targets": torch.zeros(1, dtype=torch.long)}
    for facts in ({}, {"ttame": json.dumps({"names": ["a"], "forward": 1.0, "backward": 0.0})}, {"ttame": "["}):
        save_file(tensors, path, facts)
        with pytest.raises(TTameError, match=r"not a maps file .*; delete it and run"):
            read_maps(path)


def test_other_numbers_of_names_and_maps_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "maps.safetensors"
    write_maps(path, _maps())
    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
    tensors = load_file(path)
    save_file({**tensors, "maps": tensors["maps"][:2]}, path, facts)
    with pytest.raises(TTameError, match=r"names of 3 images, but 2 maps; delete it and run `python -m ttame maps`"):
        read_maps(path)
    save_file({"maps": torch.rand(4, 2, 2), "targets": torch.zeros(5, dtype=torch.long)}, path, facts)
    with pytest.raises(TTameError, match="names of 3 images, but 4 maps and 5 targets"):
        read_maps(path)
    save_file({"maps": tensors["maps"], "targets": torch.tensor(0)}, path, facts)
    with pytest.raises(TTameError, match="not a maps file"):
        read_maps(path)
    save_file({"maps": tensors["maps"]}, path, facts)
    with pytest.raises(TTameError, match=r"not a maps file .*it holds maps; expected maps and targets"):
        read_maps(path)
