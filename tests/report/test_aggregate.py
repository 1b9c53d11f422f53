from __future__ import annotations

import pandas as pd
import pytest

from ttame.params.evaluation import CurveSettings, MetricSettings, RoadSettings
from ttame.report.aggregate import comparison, seen_in_training, summarise
from ttame.report.columns import comparison_columns
from ttame.report.markdown import differences_table, markdown_table, methods_table

SETTINGS = MetricSettings(
    shares=[100],
    road=RoadSettings(shares=[10, 50]),
    insertion_deletion=CurveSettings(steps=2, blur=0.02),
    coherency=False,
)


def _scores(counts: list[int | None], **columns: list[float]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "name": ["a", "b", "c", "d"],
            "training_count": pd.array(counts, dtype="Int64"),
            "forward_passes": 1.0,
            "backward_passes": 0.0,
            "probability": [0.8, 0.5, 1.0, 0.4],
            "probability_100": [0.4, 0.6, 1.0, 0.0],
            "road_morf_10": [True, False, True, True],
            "road_morf_50": [False, False, True, False],
            "road_lerf_10": [True, True, True, True],
            "road_lerf_50": [True, True, True, False],
        }
    )
    return table.assign(**columns)


def test_numbers_by_hand() -> None:
    numbers = summarise(_scores([3, 0, 1, 0], pointing_game=[1, 0, 1, 1]), SETTINGS)
    assert numbers["ad_100"] == pytest.approx(100 * (0.5 + 0 + 0 + 1) / 4)
    assert numbers["ic_100"] == 25.0
    assert (numbers["road_morf_10"], numbers["road_morf_50"], numbers["road_morf"]) == (75.0, 25.0, 50.0)
    assert numbers["road_lerf"] == 87.5
    assert numbers["pointing_game"] == 75.0
    assert numbers["untrained"] == 50.0
    assert "mass_inside" not in numbers


def test_the_same_comparison_on_the_images_whose_class_was_seen() -> None:
    scores = {"gradcam": _scores([None] * 4), "ttame": _scores([3, 0, 1, 0])}
    seen = seen_in_training(scores, ["ttame"])
    assert seen is not None
    assert all(table["name"].tolist() == ["a", "c"] for table in seen.values())
    assert comparison(seen, SETTINGS).loc["ttame", "ad_100"] == 25.0
    assert seen_in_training({"ttame": _scores([1, 2, 3, 4])}, ["ttame"]) is None
    assert seen_in_training({"gradcam": _scores([None] * 4)}, []) is None


def test_an_imported_mechanism_has_no_count_and_no_say() -> None:
    scores = {"ttame": _scores([3, 0, 1, 0]), "tame": _scores([-1] * 4)}
    assert "untrained" not in summarise(scores["tame"], SETTINGS)
    seen = seen_in_training(scores, ["tame", "ttame"])
    assert seen is not None
    assert seen["tame"]["name"].tolist() == ["a", "c"]
    assert seen_in_training({"tame": scores["tame"]}, ["tame"]) is None


def test_table_has_a_dash_where_a_method_has_no_number_and_no_empty_column() -> None:
    table = comparison({"gradcam": _scores([None] * 4), "ttame": _scores([3, 0, 1, 0])}, SETTINGS)
    text = methods_table(table, comparison_columns(SETTINGS))
    lines = text.splitlines()
    assert "Pointing game" not in lines[0]
    assert lines[0].startswith("| Method")
    assert lines[2].split("|")[1].strip() == "Grad-CAM"
    assert lines[2].split("|")[-2].strip() == "–"
    assert lines[3].split("|")[-2].strip() == "50.0"
    assert "nan" not in text


def test_a_difference_that_is_no_number_is_a_dash() -> None:
    table = pd.DataFrame({"difference": [float("nan")], "p_value": [float("nan")]}, index=["ad_100"])
    text = differences_table({"gradcam": table}, comparison_columns(SETTINGS))
    assert "nan" not in text
    assert "–" in text


def test_columns_line_up() -> None:
    lines = markdown_table(["A", "B"], [["long name", "1"], ["x", "12.5"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
