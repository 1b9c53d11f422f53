"""The paper's experiments on a small tree of ILSVRC's shape and a weights cache with random weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision.models
from PIL import Image

from ttame.data.shapes import render
from ttame.explainers.registry import find
from ttame.params.composition import compose, whole
from ttame.params.reading import parse_settings
from ttame.store.maps_file import read_maps

from ..conftest import REPOSITORY, SHARED
from .checkout import BINARIES, copy_checkout, shell

pytestmark = pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")

BACKBONES = ["vgg16", "resnet50", "vit_b_16"]
TRAIN, VALIDATION = 4, 4


def _pictures(count: int) -> list[Image.Image]:
    """Photographs where they are, else rendered images."""
    folder = SHARED / "photos" / "imagenet_eval"
    if folder.exists():
        return [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())[:count]]
    return [Image.fromarray(render(1, index).pixels).resize((288, 256)) for index in range(count)]


@pytest.fixture(scope="module")
def ilsvrc(tmp_path_factory) -> Path:
    """`ILSVRC2012_img_train` and `ILSVRC2012_img_val` with a few images, and a list of the published form."""
    root: Path = tmp_path_factory.mktemp("ilsvrc")
    names = [f"ILSVRC2012_img_train/n0144{index % 2}000/n0144{index % 2}000_{index}.JPEG" for index in range(TRAIN)]
    names += [f"ILSVRC2012_img_val/ILSVRC2012_val_{index:08d}.JPEG" for index in range(1, VALIDATION + 1)]
    for name, picture in zip(names, _pictures(len(names)), strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(root / name)
    (root / "Evaluation.txt").write_text("ILSVRC2012_val_00000003.JPEG 248 \nILSVRC2012_val_00000001.JPEG 208 \n")
    return root


@pytest.fixture(scope="module")
def weights_cache(tmp_path_factory) -> Path:
    """Torch's cache as a download leaves it, with random state dicts under the published names."""
    home: Path = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for name in [*BACKBONES, "resnet18"]:  # the last is what P-TAME reads
        published = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
        torch.manual_seed(0)
        state = torchvision.models.get_model(name).state_dict()
        if name == "vit_b_16":
            torch.nn.init.normal_(state["heads.head.weight"], std=0.02)  # it starts at zero, and all logits with it
        torch.save(state, folder / Path(published.url).name)
    return home


def _shrunk(experiment: str, root: Path, backbone: str) -> dict[str, Any]:
    """The experiment with smaller counts, and one backbone."""
    params = whole(compose(REPOSITORY / f"experiments/{experiment}.yaml"))
    params["data"]["roots"] = dict.fromkeys(params["data"]["roots"], str(root))
    params["data"]["lists"]["evaluation"] = str(root / "Evaluation.txt")
    params["data"]["counts"] = {"train": TRAIN, "validation": 2, "evaluation": 1}
    params["data"]["model_truths"] = [name for name in params["data"]["model_truths"] if name == backbone]
    params["backbones"] = [backbone]
    for attention in params["attention"].values():
        attention["recipe"] = attention["recipe"] | {"epochs": 1, "batch_size": 2}
        attention["by_backbone"] = {name: on for name, on in attention["by_backbone"].items() if name == backbone}
    if "rise" in params["explainers"]:
        params["explainers"]["rise"]["masks"] = 8
        params["explainers"]["iia"]["steps"] = 1
    params["metrics"]["insertion_deletion"]["steps"] = 2
    params["sanity"] |= {"images": 1, "depths": [100]}
    params["execution"] |= {"device": "cpu", "threads": 1, "batch_size": 1, "workers": 0}
    return params


@pytest.mark.long
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("experiment", ["paper", "ablation"])
def test_every_stage_to_all_tables(experiment, backbone, ilsvrc, weights_cache, tmp_path) -> None:
    params = _shrunk(experiment, ilsvrc, backbone)
    folder = copy_checkout(tmp_path / experiment, params)
    shell(folder, "snakemake", "--cores", "2", TORCH_HOME=str(weights_cache))
    results = folder / "results" / experiment
    assert (results / "datalists/evaluation.txt").read_text() == "ILSVRC2012_val_00000003.JPEG 248\n"
    for name in params["data"]["model_truths"]:
        truths = pd.read_csv(results / f"model_truths/{name}/train.txt", sep=" ", names=["name", "class"])
        assert len(truths) == TRAIN
        assert truths["class"].between(0, 999).all()
    settings = parse_settings(params)
    table = pd.read_csv(results / "tables/results.csv")
    kind = "transformer" if backbone == "vit_b_16" else "CNN"
    assert set(table["method"]) == {method for method in settings.methods.all if kind in find(method).works_on}
    assert table.select_dtypes(np.number).notna().any(axis=None)
    if "scorecam" in params["methods"]["training_free"]:
        channels = {"vgg16": 512, "resnet50": 2048, "vit_b_16": 768}[backbone]
        scorecam = read_maps(results / f"maps/{backbone}/scorecam.safetensors")
        assert 1 < scorecam.forward_passes <= 2 + channels, "the image, a black one, and one a channel"
    for name in ("tables/comparison.tex", "tables/road.tex", "tables/sanity.tex", "page/index.html"):
        assert (results / name).stat().st_size > 0
    dry = shell(folder, "snakemake", "--dry-run", TORCH_HOME=str(weights_cache))
    assert "Nothing to be done" in dry


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ["paper", "ablation"])
def test_dry_run_lists_the_jobs(experiment, ilsvrc, tmp_path) -> None:
    params = whole(compose(REPOSITORY / f"experiments/{experiment}.yaml"))
    folder = copy_checkout(tmp_path / experiment, params)
    output = shell(folder, "snakemake", "--dry-run")
    listed = output[output.index("Job stats:") :]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", listed, re.MULTILINE)}
    settings = parse_settings(params)
    trained = len(BACKBONES) * len(settings.methods.trained)
    every = len(BACKBONES) * len(settings.methods.all)
    for stage, count in {"train": trained, "maps": every, "scores": every, "sanity": every}.items():
        assert sum(jobs[name] for name in jobs if name.partition("_")[0] == stage) == count, stage
    assert jobs.get("truths", 0) == len(params["data"]["model_truths"])
    assert jobs["tables"] == jobs["page"] == jobs["datalists"] == 1
