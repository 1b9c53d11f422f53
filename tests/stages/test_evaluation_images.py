"""The images that are scored are those that the datalists stage saw."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from PIL import Image

from ttame.cli.main import main
from ttame.params.section import SPLITS

from .conftest import run


@pytest.fixture
def photos(experiment) -> Path:
    """The folder of six photos, with the lists and the maps of one method, which is all that there is."""
    folder = experiment()
    (folder / "images").mkdir()
    for index in range(6):
        Image.new("RGB", (70, 80), (40 * index, 0, 0)).save(folder / f"images/{index}.png")
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["data"] |= {"source": "folder", "roots": dict.fromkeys(SPLITS, "images")}
    params["data"]["counts"] = {"train": 2, "validation": 1, "evaluation": 3}
    params["methods"] |= {"training_free": ["center"], "trained": []}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    run("maps", "shapes_cnn", "center")
    return folder / "images"


def _change(photos: Path) -> str:
    """The name of a photo that is another one now."""
    name = Path("results/tiny/datalists/evaluation.txt").read_text().split()[0]
    Image.new("RGB", (70, 80), "white").save(photos / name)
    return name


def _refused(capsys, name: str, *command: str) -> None:
    capsys.readouterr()
    assert main(command) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ttame: ")]
    assert len(lines) == 1
    assert f"{name}: its pixels are not those that the datalists stage saw" in lines[0]


def test_photo_that_changed_after_its_maps_is_not_scored(photos, capsys) -> None:
    name = _change(photos)
    for stage in ("scores", "sanity", "maps"):
        _refused(capsys, name, stage, "shapes_cnn", "center")
    run("datalists")
    run("maps", "shapes_cnn", "center")
    run("scores", "shapes_cnn", "center")


def test_photo_that_changed_after_its_maps_is_not_shown(photos, capsys) -> None:
    run("scores", "shapes_cnn", "center")
    run("tables")
    name = _change(photos)
    _refused(capsys, name, "figure", "shapes_cnn")
    _refused(capsys, name, "page")
    assert not list(Path("results").rglob("*.png")) + list(Path("results").rglob("index.html"))
    (photos / name).unlink()  # one that is gone is left out of the page, which has the numbers all the same
    run("page")
    assert f"page: images/{name}: no such image" in capsys.readouterr().err
