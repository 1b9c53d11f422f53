"""A method that is trained with several seeds: a mechanism, maps and scores for each, one row in the tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from ttame.cli.main import main

from .conftest import run

RESULTS = Path("results/tiny")
STAGES = ("train", "maps", "scores", "sanity")


def _edit(seeds: list[int]) -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"] |= {"training_free": ["center", "gradcam"], "trained": ["ttame"], "seeds": seeds}
    params["measures"]["taken"] = ["single_deletion"]
    params["report"] |= {"reference": "ttame", "resamples": 200}
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture
def two_seeds(experiment: Callable[..., Path]) -> Path:
    folder = experiment()
    _edit([1, 2])
    run("datalists")
    run("basis", "shapes_cnn", "single_deletion")
    for method in ("center", "gradcam"):
        for stage in STAGES[1:]:
            run(stage, "shapes_cnn", method)
        run("measure", "shapes_cnn", method, "single_deletion")
    for seed in ("1", "2"):
        for stage in STAGES:
            run(stage, "shapes_cnn", "ttame", "--seed", seed)
        run("measure", "shapes_cnn", "ttame", "single_deletion", "--seed", seed)
    return folder


@pytest.mark.slow
def test_seeds_share_a_row_of_the_tables(two_seeds: Path, capsys) -> None:
    one, two = (load_file(RESULTS / f"attention/shapes_cnn/ttame.seed{seed}.safetensors") for seed in (1, 2))
    assert any((one[name] != two[name]).any() for name in one)
    for stage in (["sensitivity", "shapes_cnn"], ["figure", "shapes_cnn"], ["tables"], ["page"]):
        run(*stage)
    tables = RESULTS / "tables"
    results = pd.read_csv(tables / "results.csv").query("subset == 'all'").set_index("method")
    seeds = pd.read_csv(tables / "seeds.csv").set_index("seed")
    assert results.index.tolist() == ["center", "gradcam", "ttame"]
    assert results["images"]["ttame"] == 10
    for column in ("ad_100", "insertion", "single_deletion"):
        assert results[column]["ttame"] == pytest.approx(seeds[column].mean(), rel=1e-5)
    for seed in (1, 2):
        scores = pd.read_parquet(RESULTS / f"scores/shapes_cnn/ttame.seed{seed}.parquet")
        assert seeds["insertion"][seed] == pytest.approx(100 * scores["insertion"].mean(), rel=1e-5)
    text = (tables / "results.md").read_text()
    assert "bootstrap over images or grids and over the 2 seeds of every learned method" in text
    assert "Chance in training: the means of every seed." in text
    page = (RESULTS / "page/index.html").read_text()
    assert '<h2 id="seeds-title">Chance in training</h2>' in page

    (RESULTS / "scores/shapes_cnn/ttame.seed2.parquet").unlink()
    capsys.readouterr()
    run("sensitivity", "shapes_cnn")
    run("tables")
    assert "ttame.seed2.parquet: no such scores; ttame is left out" in capsys.readouterr().err
    assert "Without scores, so left out here: T-TAME." in (tables / "results.md").read_text()
    _edit([1])
    run("sensitivity", "shapes_cnn")
    run("tables")
    assert "left out" not in capsys.readouterr().err
    alone = (tables / "results.md").read_text()
    assert "of one training of every learned method, so without chance in training" in alone
    assert "Chance in training:" not in alone


@pytest.mark.slow
def test_artifacts_of_another_seed_are_refused(two_seeds: Path, capsys) -> None:
    maps = RESULTS / "maps/shapes_cnn"
    (maps / "ttame.seed1.safetensors").write_bytes((maps / "ttame.seed2.safetensors").read_bytes())
    capsys.readouterr()
    assert main(["scores", "shapes_cnn", "ttame", "--seed", "1"]) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        "made before the seed, the checkpoint changed; run `python -m ttame maps shapes_cnn ttame --seed 1`" in message
    )


def test_seeds_that_nobody_trains_with_are_a_line(experiment: Callable[..., Path], capsys) -> None:
    experiment()
    _edit([4, 9])
    run("datalists")
    capsys.readouterr()
    for command, said in (
        (["maps", "shapes_cnn", "ttame", "--seed", "5"], "--seed 5: params.yaml: methods.seeds has 4, 9; add it there"),
        (["maps", "shapes_cnn", "gradcam", "--seed", "4"], "--seed 4: gradcam is not trained, so it has no seed"),
        (["maps", "shapes_cnn", "ttame"], "run `python -m ttame train shapes_cnn ttame --seed 4`"),
    ):
        assert main(command) == 1
        lines = capsys.readouterr().err.strip().splitlines()
        assert said in lines[-1], lines
