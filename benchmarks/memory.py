"""Peak memory and time of the stages that see every image, with a short list of images and a long one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml
from PIL import Image

from benchmarks.photographs import REPOSITORY, settings_of
from benchmarks.tables import made_up_scores
from ttame.data.datalists import read_names
from ttame.data.shapes import render
from ttame.data.transforms import Preprocessing
from ttame.params.active import load_settings
from ttame.params.composition import whole
from ttame.params.settings import Settings
from ttame.store.artifacts import write_text
from ttame.store.maps_file import Maps, write_maps
from ttame.store.paths import cost_file, list_file, maps_file, scores_file
from ttame.store.scores_file import write_scores

IMAGES = (2000, 50_000)
RENDERED = 500
"""Different images; the others are links to them."""
BACKBONES = ("shapes_cnn", "shapes_vit", "tf_efficientnet_lite0")
"""Of the tables, whose scores are made up; maps and scores are computed on the first."""
CHILD = """
import sys
from pathlib import Path
from ttame.cli.main import main
code = main(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
raise SystemExit(code)
"""
Row = list[str]


def rows() -> list[Row]:
    """Seconds and MB of every stage and size, and how much more the long list takes."""
    found: dict[str, list[tuple[float, float]]] = {}
    for images in IMAGES:
        with tempfile.TemporaryDirectory() as folder:
            for stage, *measured in _stages(Path(folder), images):
                found.setdefault(stage, []).append((measured[0], measured[1]))
                print(images, stage, *measured, file=sys.stderr, flush=True)
    return [
        [f"{stage}, {images} images", f"{seconds:.0f}", f"{memory:.0f}", _more(measured, images)]
        for stage, measured in found.items()
        for images, (seconds, memory) in zip(IMAGES, measured, strict=True)
    ]


def _more(measured: list[tuple[float, float]], images: int) -> str:
    return f"{measured[1][1] - measured[0][1]:+.0f}" if images == IMAGES[1] else ""


def _stages(folder: Path, images: int) -> Iterator[tuple[str, float, float]]:
    _write_images(folder / "images", images, 1)
    _write_images(folder / "others", 16, 2)
    settings = _experiment(folder, "made_up", images)
    _run(folder, "datalists")
    _make_up(folder, settings)
    for stage, *words in (("tables",), ("figure", BACKBONES[0]), ("page",)):
        yield stage, *_run(folder, stage, *words)
    _experiment(folder, "computed", images)
    _run(folder, "datalists")
    for stage in ("maps", "scores"):
        yield stage, *_run(folder, stage, BACKBONES[0], "rise")


def _experiment(folder: Path, name: str, images: int) -> Settings:
    """RISE with few masks and scores with few passes, as measured memory does not depend on their number."""
    params = whole(settings_of("shapes"))
    params["experiment"] = name
    params["data"] |= {"source": "folder", "lists": dict.fromkeys(params["data"]["lists"])}
    params["data"]["roots"] = {"train": "others", "validation": "others", "evaluation": "images"}
    params["data"]["counts"] = {"train": 8, "validation": 8, "evaluation": images}
    params["methods"]["training_free"].remove("ground_truth")  # of a folder nobody knows it
    params["backbones"] = list(BACKBONES if name == "made_up" else BACKBONES[:1])
    params["models"] = {
        backbone: params["models"]["shapes_cnn"] | {"model": backbone} for backbone in params["backbones"]
    }
    params["explainers"]["rise"]["masks"] = 4
    params["measures"]["taken"] = ["single_deletion"]
    params["execution"] |= {"portable": False, "workers": 0, "batch_size": 32}
    if name == "computed":
        params["metrics"] |= {"coherency": False}
        params["metrics"]["road"]["shares"] = [50]
        params["metrics"]["insertion_deletion"]["steps"] = 2
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return load_settings(folder / "params.yaml")


def _write_images(folder: Path, images: int, seed: int) -> None:
    folder.mkdir()
    for number in range(images):
        path = folder / f"{number:06}.png"
        if number < RENDERED:
            Image.fromarray(render(seed, number).pixels).save(path)
        else:
            os.link(folder / f"{number % RENDERED:06}.png", path)


def _make_up(folder: Path, settings: Settings) -> None:
    """Maps and scores of every method, RISE's and IIA's maps as large as the images."""
    names = read_names(folder / list_file(settings, "evaluation"))
    preprocessing = Preprocessing((64, 64), 64, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    for backbone in settings.backbones:
        for number, method in enumerate(settings.methods.all):
            seed = settings.methods.first_seed_of(method)
            scores = made_up_scores(settings.metrics, number, names)
            write_scores(folder / scores_file(settings, backbone, method, seed), scores, {})
            side = 64 if method in ("rise", "iia") and backbone == BACKBONES[0] else 8
            maps = Maps(
                names=names,
                maps=torch.rand(len(names), side, side, generator=torch.Generator().manual_seed(number)),
                targets=torch.zeros(len(names), dtype=torch.long),
                forward_passes=1,
                backward_passes=0,
                preprocessing=preprocessing,
            )
            write_maps(folder / maps_file(settings, backbone, method, seed), maps)
            measured = {"backbone": backbone, "method": method, "device": "CPU", "batch_size": 1}
            measured |= {"seconds_per_image": 0.001, "peak_memory_bytes": 1}
            write_text(folder / cost_file(settings, backbone, method, seed), json.dumps(measured))


def _run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds, and MB at the peak."""
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", CHILD, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    return time.perf_counter() - started, int(done.stdout.split()[-1]) / 1024
