"""The files of the page: the same bytes on every run, and a line where one that it reads is broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from ttame.cli.main import main

from .conftest import MALICIOUS


def test_what_is_measured_is_on_a_page_of_its_own(page, monkeypatch) -> None:
    first = page(["gradcam", "rise"], 4)
    before, measured = first.read_bytes(), first.with_name("measured.html").read_text()
    assert ">3.00<" not in measured
    monkeypatch.chdir(first.parents[3])
    cost = Path("results/by_hand/cost/shapes_cnn/rise.json")
    cost.write_text(json.dumps(json.loads(cost.read_text()) | {"seconds_per_image": 0.003}))
    assert main(["page"]) == 0
    assert first.read_bytes() == before, "the results page is the same bytes on every run"
    assert ">3.00<" in first.with_name("measured.html").read_text()


def test_of_a_long_list_some_images_are_candidates(page, monkeypatch) -> None:
    """Each with its own maps, scores and photo."""
    first = page(["gradcam", "rise"], 7)
    whole = _gallery(first)
    monkeypatch.chdir(first.parents[3])
    monkeypatch.setattr("ttame.stages.page.CANDIDATES", 3)
    monkeypatch.setattr("ttame.stages.page.SHRUNK", 2)
    assert main(["page"]) == 0
    few = _gallery(first)
    assert sorted(few) == sorted([MALICIOUS, "2.png", "4.png"])
    of_the_image = ("class", "probability", "correlation", "photo", "maps", "scores")
    assert {name: [few[name][key] for key in of_the_image] for name in few} == {
        name: [whole[name][key] for key in of_the_image] for name in few
    }


def _gallery(page: Path) -> dict[str, Any]:
    """The images of the page's script, by name."""
    text = page.read_text()
    found, _ = json.JSONDecoder().raw_decode(text[text.index('{"galleries":') :])
    return {image["name"]: image for image in found["galleries"]["shapes_cnn"]["images"]}


def test_every_seed_has_its_line(page) -> None:
    text = page(["gradcam", "ttame"], 4, seeds=2).read_text()
    for term in ("masked_accuracy", "area"):
        for seed in (1, 2):
            assert f'id="shapes_cnn-{term}:ttame:{seed}"' in text
    assert "shapes_cnn-variation" not in text, "a term that no training wrote"
    assert 'id="seeds"' in text


def test_a_broken_history_is_named(page, monkeypatch, capsys) -> None:
    monkeypatch.chdir(page(["gradcam", "ttame"], 4).parents[3])
    for text in ("", "epoch\n1\n", "epoch,validation_masked_accuracy\n1,much\n"):
        Path("results/by_hand/attention/shapes_cnn/ttame.seed1.history.csv").write_text(text)
        assert main(["page"]) == 1
        assert "ttame.seed1.history.csv: not the history of a training" in capsys.readouterr().err


def test_statistics_that_were_cut_are_refused_wherever_the_cut_is(page, monkeypatch, capsys) -> None:
    first = page(["gradcam", "rise"], 4)
    monkeypatch.chdir(first.parents[3])
    path = Path("results/by_hand/tables/statistics.csv")
    text, before = path.read_text(), first.read_bytes()
    lines = text.splitlines(keepends=True)
    rows = len(lines) - 1
    last_row = "".join(lines[:-1])
    half_a_row = text[:-3]
    middle = "".join(lines[:5] + lines[6:])
    for cut, said in (
        (last_row, f"{rows - 1} of {rows} rows"),
        (middle, f"{rows - 1} of {rows} rows"),
        (half_a_row, "half a row"),
    ):
        path.write_text(cut)
        capsys.readouterr()
        assert main(["page"]) == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"ttame: {path}: ")
        assert said in line
        assert "run `python -m ttame tables` again" in line
    assert first.read_bytes() == before


def test_statistics_of_earlier_scores_are_refused(page, monkeypatch, capsys) -> None:
    first = page(["gradcam", "rise"], 4)
    monkeypatch.chdir(first.parents[3])
    before, path = first.read_bytes(), Path("results/by_hand/scores/shapes_cnn/rise.parquet")
    table = pd.read_parquet(path)
    table.assign(insertion=table["insertion"] + 0.01).to_parquet(path)
    capsys.readouterr()
    assert main(["page"]) == 1
    assert "statistics.csv: insertion of rise is" in capsys.readouterr().err
    assert first.read_bytes() == before


def test_a_number_that_no_browser_reads_is_refused(page, monkeypatch, capsys) -> None:
    first = page(["gradcam", "rise"], 4)
    monkeypatch.chdir(first.parents[3])
    path = Path("results/by_hand/scores/shapes_cnn/rise.parquet")
    table = pd.read_parquet(path)
    table.assign(deletion_2=float("nan")).to_parquet(path)
    capsys.readouterr()
    assert main(["page"]) == 1
    assert "not a finite number; run `python -m ttame scores` again" in capsys.readouterr().err


@pytest.mark.slow
def test_the_sanity_check_reads_the_whole_classifier_wherever_it_stands(page, monkeypatch) -> None:
    first = page(["gradcam", "rise", "ttame"], 8, seeds=2)
    monkeypatch.chdir(first.parents[3])
    Path("results/by_hand/sanity/shapes_cnn").mkdir(parents=True)
    for name, whole in (("gradcam", 0.1), ("rise", 0.8), ("ttame.seed1", 0.0), ("ttame.seed2", 0.2)):
        near = [whole + 0.01 * number for number in range(8)]
        rows = pd.DataFrame({"name": range(8), "depth_100": near, "depth_50": 0.9, "depth_1": 0.95})
        rows.to_csv(f"results/by_hand/sanity/shapes_cnn/{name}.csv", index=False)
    for depths, said in (([100, 1], True), ([1, 50], False)):
        settings = yaml.safe_load(Path("params.yaml").read_text())
        settings["sanity"]["depths"] = depths
        Path("params.yaml").write_text(yaml.safe_dump(settings))
        assert main(["page"]) == 0
        text = first.read_text()
        assert ("<strong>RISE (0.84)</strong> stays high when every layer is randomised" in text) == said
        assert ("<strong>0.84</strong>" in text) == said
        assert "<strong>0.9" not in text
        assert "(Student's t) over the images of the check and the seeds" in text


def test_what_is_missing_is_no_value_to_sort_by_and_no_link_leads_to_it(page, monkeypatch) -> None:
    first = page(["gradcam", "rise"], 4)
    assert ">–</td>" in first.read_text()
    assert 'data-value="–"' not in first.read_text()
    measured = first.with_name("measured.html")
    assert 'href="#stages"' in measured.read_text()
    monkeypatch.chdir(first.parents[3])
    shutil.rmtree("logs/by_hand/stages")
    assert main(["page"]) == 0
    assert 'href="#stages"' not in measured.read_text(), "the results were pulled"
