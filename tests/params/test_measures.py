"""Which measures an experiment may take."""

from __future__ import annotations

from typing import Any

import pytest

from ttame.errors import TTameError
from ttame.measures.registry import MEASURES
from ttame.params.composition import whole
from ttame.params.reading import parse_settings

FOLDER = {"source": "folder", "roots": dict.fromkeys(("train", "validation", "evaluation"), "photos")}


def _params(taken: list[str], **data: Any) -> dict[str, Any]:
    return {
        "experiment": "small",
        "data": {"source": "shapes"} | data,
        "backbones": ["shapes_cnn"],
        "methods": {"training_free": ["gradcam"], "trained": []},
        "measures": {"taken": taken},
    }


def test_an_unknown_measure_is_answered_with_the_nearest() -> None:
    with pytest.raises(TTameError, match=r"measures.taken: 'single_deletoin' is not a measure.*single_deletion"):
        parse_settings(_params(["single_deletoin"]))


def test_at_least_one_is_taken() -> None:
    with pytest.raises(TTameError, match=r"measures.taken"):
        parse_settings(_params([]))


def test_parts_are_known_of_the_embedded_data_alone() -> None:
    assert parse_settings(_params(["known_parts"])).measures.taken == ["known_parts"]
    with pytest.raises(TTameError, match=r"measures.taken: known_parts needs data.source: shapes; remove it"):
        parse_settings(_params(["known_parts"], **FOLDER))


def test_a_folder_without_labels_is_enough_for_the_others() -> None:
    others = [name for name in MEASURES if name != "known_parts"]
    assert parse_settings(_params(others, **FOLDER)).measures.taken == others


def test_options_of_measures_that_are_not_taken_are_no_key_of_the_active_experiment() -> None:
    assert list(whole(parse_settings(_params(["grid_pointing"])))["measures"]) == ["taken", "grid_pointing"]
