"""The images that are scored are those that the datalists stage saw."""

from __future__ import annotations

from pathlib import Path

import yaml
from PIL import Image

from ttame.cli.main import main
from ttame.params.section import SPLITS

from .conftest import run


def test_photo_that_changed_after_its_maps_is_not_scored(experiment, capsys) -> None:
    folder = experiment()
    (folder / "images").mkdir()
    for index in range(6):
        Image.new("RGB", (70, 80), (40 * index, 0, 0)).save(folder / f"images/{index}.png")
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["data"] |= {"source": "folder", "roots": dict.fromkeys(SPLITS, "images")}
    params["data"]["counts"] = {"train": 2, "validation": 1, "evaluation": 3}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    run("maps", "shapes_cnn", "center")
    name = Path("results/tiny/datalists/evaluation.txt").read_text().split()[0]
    Image.new("RGB", (70, 80), "white").save(folder / "images" / name)
    capsys.readouterr()
    for stage in ("scores", "sanity", "maps"):
        assert main([stage, "shapes_cnn", "center"]) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ttame: ")]
        assert len(lines) == 1
        assert f"{name}: its pixels are not those that the datalists stage saw" in lines[0]
    run("datalists")
    run("maps", "shapes_cnn", "center")
    run("scores", "shapes_cnn", "center")
