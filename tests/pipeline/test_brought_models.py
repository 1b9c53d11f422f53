"""A classifier of transformers, and CLIP with a list of words, through the whole DAG."""

from __future__ import annotations

import itertools
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ttame.cli.text_head import run as make_head

from ..conftest import REPOSITORY, whole_maps
from ..stages.conftest import tiny_params
from ..tiny_models import save_classifier, save_clip, save_open_clip
from ..warm_starts import warm_starts
from .checkout import BINARIES, copy_checkout, hashes, make, shell

pytestmark = pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")

HF_LAYERS = [f"model.vit.layers.{block}.layernorm_before" for block in (0, 1)]
CLIP_LAYERS = [f"tower.model.encoder.layers.{block}.layer_norm1" for block in (0, 1)]
OPEN_CLIP_LAYERS = [f"tower.model.transformer.resblocks.{block}.ln_1" for block in (0, 1)]
METHODS = ("gradcam", "rollout", "ttame")


def _model(model: str, layers: list[str], head: str | None) -> dict[str, Any]:
    stated = {"layers": layers, "target_layer": layers[-1], "outputs": "logits"}
    return {"model": model, "weights": "default", "head": head} | stated


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A repository with three models in `models/`, and a tiny experiment on them."""
    params: dict[str, Any] = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    params["backbones"] = ["vit", "clip", "open_clip"]
    params["models"] = {
        "vit": _model("hf:models/vit", HF_LAYERS, None),
        "clip": _model("hf:models/clip", CLIP_LAYERS, "models/clip.safetensors"),
        "open_clip": _model("open_clip:models/open_clip", OPEN_CLIP_LAYERS, "models/open_clip.safetensors"),
    }
    params["data"]["counts"] = {"train": 8, "validation": 4, "evaluation": 4}
    params["methods"] |= {"training_free": list(METHODS[:-1]), "trained": ["ttame"]}
    params["attention"]["ttame"]["recipe"] |= {"epochs": 1, "batch_size": 4}
    params["sensitivity"]["images"] = 2
    params["sanity"] |= {"images": 2, "depths": [100]}
    folder = copy_checkout(tmp_path_factory.mktemp("brought") / "checkout", params)
    save_classifier(folder / "models/vit")
    (folder / "words.txt").write_text("cat\ndog\nbird\n")
    for name, library, save in (("clip", "hf", save_clip), ("open_clip", "open_clip", save_open_clip)):
        save(folder / "models" / name)
        head = folder / f"models/{name}.safetensors"
        make_head(f"{library}:{folder / 'models' / name}", "default", folder / "words.txt", None, head)
    return folder


@pytest.mark.slow
def test_brought_models_go_through_the_whole_dag(checkout: Path) -> None:
    shell(checkout, "snakemake", "--cores", "2")
    assert "Nothing to be done" in shell(checkout, "snakemake", "--dry-run")
    table = pd.read_csv(checkout / "results/tiny/tables/results.csv")
    pairs = set(zip(table["backbone"], table["method"], strict=True))
    everywhere = itertools.product(("vit", "clip", "open_clip"), ("gradcam", "ttame"))
    assert set(everywhere) <= pairs
    assert {backbone for backbone, method in pairs if method == "rollout"} == {"vit", "clip", "open_clip"}
    maps = whole_maps(checkout / "results/tiny/maps/clip/ttame.seed1.safetensors")
    names = set(maps.class_names.values())
    assert names <= {"cat", "dog", "bird"}
    assert maps.maps.isfinite().all()
    page = (checkout / "results/tiny/page/index.html").read_text()
    assert any(name in page for name in names)


@pytest.mark.long
def test_dvc_builds_the_same_bytes_of_them(checkout: Path) -> None:
    shell(checkout, "snakemake", "--cores", "2")
    by_dvc = checkout.with_name("by_dvc")
    shutil.copytree(
        checkout, by_dvc, ignore=lambda folder, _: ["results", ".snakemake"] if folder == str(checkout) else []
    )
    with warm_starts(by_dvc):
        shell(by_dvc, "dvc", "repro")
    assert hashes(by_dvc) == hashes(checkout)
    make(by_dvc, "sync-to-snakemake")
    assert "Nothing to be done" in shell(by_dvc, "snakemake", "--dry-run")


@pytest.mark.slow
def test_another_head_makes_its_classifier_stale_and_no_other(checkout: Path) -> None:
    head = checkout / "models/clip.safetensors"
    make_head(f"hf:{checkout / 'models/clip'}", "default", checkout / "words.txt", None, head)
    assert "Nothing to be done" in shell(checkout, "snakemake", "--dry-run"), "the same head, written anew"
    (checkout / "words.txt").write_text("cat\ndog\na photo of the bird\n")
    make_head(f"hf:{checkout / 'models/clip'}", "default", checkout / "words.txt", None, head)
    dry_run = shell(checkout, "snakemake", "--dry-run")
    jobs = Counter({stage: int(count) for stage, count in re.findall(r"^(\w+) +(\d+)$", dry_run, re.MULTILINE)})
    assert (jobs["maps"], jobs["train"], jobs["scores"], jobs["basis"]) == (2, 1, 2, 1)
