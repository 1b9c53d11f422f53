"""A mistake is named at the file, or the override, and the key where it was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.errors import TTameError
from ttame.params.composition import compose

BASE: dict[str, Any] = {
    "data": {"source": "shapes"},
    "backbones": ["shapes_cnn", "shapes_vit"],
    "methods": {"training_free": ["center"], "trained": ["ttame", "ttame-x", "lcam_fm"]},
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # what the base says besides, what the experiment says, how the line begins
    "every": (
        {},
        {"attention": {"every": {"recipe": {"epoch": 3}}}},
        "mine.yaml: attention.every.recipe: unknown key 'epoch'",
    ),
    "every's value": (
        {},
        {"attention": {"every": {"learning_rate": -1}}},
        "mine.yaml: attention.every.learning_rate: ",
    ),
    "every as a whole": ({}, {"attention": {"every": 3, "ttame": {}}}, "mine.yaml: attention.every: 3 should be keys"),
    "every of the base": (
        {"attention": {"every": {"recipe": {"epochs": 0}}}},
        {},
        "base.yaml: attention.every.recipe.epochs: 0",
    ),
    "what a label starts from": (
        {"attention": {"ttame": {"loss": {"area": -1.0}}}},
        {"methods": {"trained": ["ttame-x"]}},
        "base.yaml: attention.ttame.loss.area: -1.0",
    ),
    "its own above every": (
        {"attention": {"every": {"recipe": {"epochs": 2}}}},
        {"attention": {"lcam_fm": {"recipe": {"epochs": 0}}}},
        "mine.yaml: attention.lcam_fm.recipe.epochs: 0",
    ),
    "a section of the base": ({"metrics": {"sharse": [100]}}, {}, "base.yaml: metrics: unknown key 'sharse'"),
    "an item of the base": ({"metrics": {"shares": [100, 0]}}, {}, "base.yaml: metrics.shares.1: 0 should"),
    "a word of the base": ({"metriks": {}}, {"metrics": {}}, "base.yaml: the file: unknown key 'metriks'"),
    "said again": (
        {"metrics": {"coherency": 1}},
        {"metrics": {"coherency": 2}},
        "mine.yaml: metrics.coherency: 2 should",
    ),
    "a method of the base": (
        {"methods": {"training_free": ["centre"], "trained": ["ttame"]}},
        {},
        "base.yaml: methods.training_free: 'centre'",
    ),
    "a section for no method": ({"attention": {"ttme": {}}}, {}, "base.yaml: attention: 'ttme' is not a method"),
    "what the base lists was right there": (
        {"data": {"source": "shapes", "model_truths": ["shapes_vit"]}},
        {"backbones": ["shapes_cnn"]},
        "mine.yaml: data.model_truths: 'shapes_vit' is not one of backbones",
    ),
    "a rate for one classifier of the base": (
        {},
        {"attention": {"every": {"learning_rate": {"shapes_cnn": 0.1}}}},
        "mine.yaml: attention.every.learning_rate: 'shapes_vit' is not given",
    ),
    "two keys of one": (
        {"attention": {"every": {"recipe": {"sharpness": 0.1}}}},
        {"attention": {"every": {"recipe": {"accumulate": 2}}}},
        "mine.yaml: attention.ttame.recipe.sharpness: needs accumulate: 1",
    ),
    "a term that a method leaves out": (
        {},
        {"methods": {"trained": ["lcam_fm_a"]}, "attention": {"every": {"loss": {"area": 2.0}}}},
        "mine.yaml: attention.every.loss: lcam_fm_a is trained with the cross-entropy alone",
    ),
    "what nobody says": ({}, {"data": {"source": "folder"}}, "mine.yaml: data.roots.train: the folder of the images"),
}


def _refused(folder: Path, base: dict[str, Any], mine: dict[str, Any], *overrides: str) -> str:
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE | base))
    (folder / "mine.yaml").write_text(yaml.safe_dump({"base": "base"} | mine))
    with pytest.raises(TTameError) as caught:
        compose(folder / "mine.yaml", overrides)
    return str(caught.value).removeprefix(f"{folder}/")


@pytest.mark.parametrize(("base", "mine", "beginning"), CASES.values(), ids=CASES)
def test_a_mistake_is_named_where_it_was_written(tmp_path, base, mine, beginning) -> None:
    assert _refused(tmp_path, base, mine).startswith(beginning)


def test_an_override_is_named_and_no_other(tmp_path) -> None:
    overrides = ("metrics.coherency=true", "attention.every.recipe.epochs=0", "report.resamples=7")
    message = _refused(tmp_path, {}, {"attention": {"every": {"recipe": {"epochs": 2}}}}, *overrides)
    assert message.startswith("attention.every.recipe.epochs=0: attention.every.recipe.epochs: 0 should be greater")


def test_of_two_overrides_the_last_counts(tmp_path) -> None:
    message = _refused(tmp_path, {}, {}, "metrics.coherency=1", "metrics.coherency=2")
    assert message.startswith("metrics.coherency=2: metrics.coherency: 2 should")
