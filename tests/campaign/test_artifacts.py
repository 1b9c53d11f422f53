"""Artifacts of ours that were cut, emptied or replaced: a command names the file, or one that no longer fits to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttame.cli.main import main
from ttame.data.transforms import Preprocessing
from ttame.errors import NotDefined
from ttame.store.maps_file import Maps, write_maps
from ttame.store.undefined import refuse_undefined, write_undefined

from ..conftest import whole_maps
from .conftest import SMALL, Refused

PREPROCESSING = Preprocessing((8, 8), 8, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
RESULTS = Path("results/small")
PAIR = ["shapes_cnn", "center"]
JUDGED = ["measure", *PAIR, "single_deletion"]
STAGES = (
    ["datalists"],
    ["maps", *PAIR],
    ["scores", *PAIR],
    ["sanity", *PAIR],
    ["basis", "shapes_cnn", "single_deletion"],
    JUDGED,
    ["sensitivity", "shapes_cnn"],
    ["tables"],
)
READERS: dict[str, tuple[list[str], ...]] = {
    "maps/shapes_cnn/center.safetensors": (["scores", *PAIR], ["figure", "shapes_cnn"]),
    "scores/shapes_cnn/center.parquet": (["tables"], ["page"]),
    "sanity/shapes_cnn/center.csv": (["tables"], ["page"]),
    "basis/shapes_cnn/single_deletion.safetensors": (JUDGED,),
    "measures/shapes_cnn/single_deletion/center.parquet": (["tables"], ["page"]),
    "sensitivity/shapes_cnn.csv": (["tables"],),
    "tables/measures.csv": (["page"],),
    "tables/statistics.csv": (["page"],),
    "cost/shapes_cnn/center.json": (["page"],),
}
"""Artifacts, and the commands that read them."""

CASES = [(name, command) for name, commands in READERS.items() for command in commands]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which every stage but the page and the figure ran."""
    folder: Path = tmp_path_factory.mktemp("finished")
    quick = {
        "methods": {"training_free": ["center"], "trained": []},
        "metrics": {"shares": [100], "road": {"shares": [50]}, "insertion_deletion": {"steps": 2}},
        "report": {"reference": "center", "resamples": 100},
        "measures": {"taken": ["single_deletion"]},
        "sanity": {"images": 2, "depths": [100]},
    }
    (folder / "experiments").mkdir()
    (folder / "experiments/small.yaml").write_text(yaml.safe_dump(SMALL | quick))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["use", "small"]) == 0
        for stage in STAGES:
            assert main(stage) == 0
    return folder


@pytest.fixture
def results(folder: Path, finished: Path) -> Path:
    """The results in a folder of the test's own."""
    shutil.copytree(finished, folder, dirs_exist_ok=True)
    return RESULTS


def _cut(content: bytes, how: str) -> bytes:
    return {
        "empty": b"",
        "half": content[: len(content) // 2 - 3],
        "text": b"text\n",
        "start": content[:9],
        "zeros": bytes(len(content)),
    }[how]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["empty", "half", "text", "start", "zeros"])
@pytest.mark.parametrize(("name", "command"), CASES, ids=[f"{name}-{command[0]}" for name, command in CASES])
def test_broken_artifact_is_refused(results: Path, refused: Refused, name: str, command: list[str], how: str) -> None:
    path = results / name
    path.write_bytes(_cut(path.read_bytes(), how))
    refused(*command, names=(str(path),))


@pytest.mark.parametrize(("name", "command"), CASES, ids=[f"{name}-{command[0]}" for name, command in CASES])
def test_folder_in_an_artifact_s_place_is_refused(
    results: Path, refused: Refused, name: str, command: list[str]
) -> None:
    (results / name).unlink()
    (results / name).mkdir()
    refused(*command, names=(str(results / name),))


def test_what_no_longer_fits_to_broken_maps_is_named(results: Path, refused: Refused) -> None:
    path = results / "maps/shapes_cnn/center.safetensors"
    path.write_bytes(_cut(path.read_bytes(), "half"))
    for command in ("tables", "page"):
        refused(command, names=("center.parquet", "made before the maps changed"))


@pytest.mark.slow
@settings(derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_refused(results: Path, refused: Refused, finished: Path, content: bytes) -> None:
    for name, (command, *_) in READERS.items():
        if name.startswith("cost"):  # the page comes to it last, which is slow
            continue
        (results / name).write_bytes(content)
        refused(*command, names=(str(results / name),))
        (results / name).write_bytes((finished / results / name).read_bytes())


def _maps(count: int) -> Maps:
    return Maps(
        names=[f"{index} é" for index in range(count)],
        maps=torch.rand(count, 2, 3),
        targets=torch.arange(count),
        forward_passes=1.0,
        backward_passes=0.5,
        preprocessing=PREPROCESSING,
        class_names={0: "a"},
    )


@settings(derandomize=True, max_examples=10, deadline=None)
@given(count=st.integers(1, 5))
def test_maps_come_back(tmp_path_factory, count: int) -> None:
    path = tmp_path_factory.getbasetemp() / "maps.safetensors"
    write_maps(path, maps := _maps(count))
    found = whole_maps(path)
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
