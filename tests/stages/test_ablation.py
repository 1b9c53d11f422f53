"""The ablation experiment, shrunk by counts alone: every mechanism trains, makes maps and is scored."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml

from ttame.explainers.entry import TRANSFORMERS
from ttame.explainers.registry import find
from ttame.params.active import load_settings
from ttame.params.composition import compose, whole

from ..conftest import REPOSITORY
from .conftest import run


@pytest.mark.slow
def test_every_mechanism_goes_through_every_stage(tmp_path: Path, monkeypatch) -> None:
    params = whole(compose(REPOSITORY / "experiments/shapes_ablation.yaml"))
    params["data"]["lists"] = dict.fromkeys(params["data"]["lists"])
    params["data"]["counts"] = {"train": 8, "validation": 2, "evaluation": 2}
    for attention in params["attention"].values():
        attention["recipe"] |= {"epochs": 1, "batch_size": 4}
    params["metrics"]["road"]["shares"] = [50]
    params["execution"]["device"] = "cpu"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.chdir(tmp_path)
    settings = load_settings(tmp_path / "params.yaml")
    run("datalists")
    for backbone in settings.backbones:
        for method in settings.methods.trained:
            run("train", backbone, method)
        for method in settings.methods.all:
            run("maps", backbone, method)
            run("scores", backbone, method)
    run("tables")
    results = pd.read_csv("results/shapes_ablation/tables/results.csv")
    methods = results[results["subset"] == "all"].groupby("backbone")["method"].apply(set)
    on_transformers = {method for method in settings.methods.all if find(method).works_on == TRANSFORMERS}
    assert len(on_transformers) == 7
    assert methods["shapes_cnn"] == set(settings.methods.all) - on_transformers
    assert methods["shapes_vit"] == set(settings.methods.all)
    page = Path("results/shapes_ablation/tables/results.md").read_text()
    assert "| T-TAME (one layer)" in page
    assert "Not defined on shapes_cnn, so left out here: TAME, TAttention V1, " in page
