"""docs/seeds.md says what the tables of its experiments say."""

from __future__ import annotations

import pandas as pd
import pytest

from scripts.seeds_page import PAGE, PLACE, Study, filled

from ..conftest import REPOSITORY


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)


@pytest.fixture
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_numbers_of_the_tables(page: str) -> None:
    assert filled(page) == page, "run `python -m scripts.seeds_page`"


def test_every_measure_of_every_classifier_is_on_the_page(page: str) -> None:
    places = {(found["experiment"], found["backbone"], found["which"]) for found in PLACE.finditer(page)}
    for experiment in {experiment for experiment, _, _ in places}:
        for backbone in pd.read_csv(f"results/{experiment}/tables/results.csv")["backbone"].unique():
            assert {(experiment, backbone, "may rank"), (experiment, backbone, "the others")} <= places
    assert len(places) >= 6


def test_a_cell_is_the_mean_over_the_seeds_between_the_lowest_and_the_highest() -> None:
    study = Study("shapes_seeds", "shapes_vit")
    column = next(column for column in study.columns if column.key == "pointing_game")
    line = next(line for line in study.table([column]).splitlines() if line.startswith("| T-TAME  "))
    found = study.seeds.query("method == 'ttame'")["pointing_game"]
    assert len(found) == 5
    assert f"{found.mean():.1f} ({found.min():.1f}–{found.max():.1f})" in line


def test_the_verdict_counts_the_best_and_what_ties_with_it() -> None:
    study = Study("shapes_seeds", "shapes_vit")
    column = next(column for column in study.columns if column.key == "insertion")
    study.marks = {("ttame", "insertion"): "best", ("tame", "insertion"): "tied", ("gradcam", "insertion"): "second"}
    said = study.verdict([column])
    assert said.startswith("No worse than the best, of 1 measure: T")
    assert "T-TAME 1" in said
    assert "TAME 1" in said.replace("T-TAME 1", "")
    assert "Grad-CAM 0" in said
    assert "Random" not in said, "a control is in no ranking"
