"""Keys of P-TAME: its auxiliary classifier, and what differs by backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ttame.errors import TTameError
from ttame.explainers.registry import EXPLAINERS
from ttame.params.auxiliary import auxiliary_of
from ttame.params.composition import compose, whole
from ttame.params.reading import parse_settings
from ttame.params.settings import Settings
from ttame.params.specification import specification

from ..conftest import REPOSITORY

GIVEN: dict[str, Any] = {
    "experiment": "x",
    "data": {"source": "shapes"},
    "backbones": ["shapes_cnn", "shapes_vit"],
    "methods": {"training_free": ["gradcam"], "trained": ["ttame", "ptame"]},
}
CROSSED = {
    "shapes_cnn": {"mechanism": {"auxiliary": "shapes_vit"}},
    "shapes_vit": {"mechanism": {"auxiliary": "shapes_cnn"}, "loss": {"area_power": 0.5}},
}


def _settings(**ptame: Any) -> Settings:
    return parse_settings(GIVEN | {"attention": {"ptame": ptame}})


def test_the_defaults_are_the_published_recipe() -> None:
    found = _settings().attention["ptame"]
    assert (found.recipe.optimiser, found.recipe.amsgrad, found.recipe.epochs) == ("AdamW", True, 1)
    assert (found.recipe.batch_size, found.learning_rate) == (32, 1e-4)
    assert found.mechanism.auxiliary == "resnet18"
    paper = compose(REPOSITORY / "experiments/paper.yaml").attention["ptame"]
    expected = {"vgg16": (0.0728, 0.9777, 1e-4, 0.3, 0.133), "resnet50": (0.1614, 0.8386, 0.0, 0.3, 2.4e-4)}
    for backbone, values in (expected | {"vit_b_16": (0.1313, 0.8386, 0.0, 0.5, 1.3e-4)}).items():
        on = paper.on(backbone)
        assert values == (
            on.loss.cross_entropy,
            on.loss.area,
            on.loss.variation,
            on.loss.area_power,
            on.recipe.weight_decay,
        )


def test_a_backbone_has_what_is_said_of_it_and_the_rest_of_all() -> None:
    settings = _settings(by_backbone=CROSSED)
    one, other = (auxiliary_of(settings, name, "ptame") for name in GIVEN["backbones"])
    assert one is not None
    assert other is not None
    assert (one.model, other.model) == ("shapes_vit", "shapes_cnn")
    assert settings.attention["ptame"].on("shapes_cnn").loss.area_power == 0.3
    assert settings.attention["ptame"].on("shapes_vit").loss.area_power == 0.5
    assert settings.attention["ptame"].on("shapes_vit").recipe == settings.attention["ptame"].recipe
    assert auxiliary_of(settings, "shapes_cnn", "ttame") is None
    assert auxiliary_of(settings, "shapes_cnn", "gradcam") is None


def _specifications(settings: Settings) -> dict[tuple[str, str], Any]:
    pairs = [(backbone, method) for backbone in settings.backbones for method in settings.methods.all]
    return {pair: specification(settings, *pair) for pair in pairs}


def _changed(before: Settings, after: Settings) -> set[tuple[str, str]]:
    one, other = _specifications(before), _specifications(after)
    return {pair for pair in one if one[pair] != other[pair]}


def test_a_change_of_the_auxiliary_changes_what_depends_on_it_alone() -> None:
    models = {"reader": {"model": "resnet18"}}
    attention = {"ptame": {"mechanism": {"auxiliary": "reader"}, "by_backbone": {"shapes_vit": CROSSED["shapes_vit"]}}}
    before = parse_settings(GIVEN | {"attention": attention, "models": models})
    pair = ("shapes_cnn", "ptame")
    for key, value in {"model": "resnet34", "weights": "none", "layers": ["layer4"]}.items():
        after = parse_settings(GIVEN | {"attention": attention, "models": {"reader": models["reader"] | {key: value}}})
        assert _changed(before, after) == {pair}, key
    renamed = {"ptame": {**attention["ptame"], "mechanism": {"auxiliary": "other"}}}
    after = parse_settings(GIVEN | {"attention": renamed, "models": {"other": models["reader"]}})
    assert _changed(before, after) == set(), "a name decides nothing"
    # P-TAME reads no layer of the classifier that it explains; its auxiliary classifier's it does read.
    after = parse_settings(
        GIVEN
        | {"attention": attention, "models": models | {"shapes_cnn": {"model": "shapes_cnn", "layers": ["layer3"]}}}
    )
    assert _changed(before, after) == {("shapes_cnn", "ttame"), ("shapes_vit", "ptame")}


@pytest.mark.parametrize(
    ("attention", "message"),
    [
        ({"ptame": {"mechanism": {"auxiliary": None}}}, "ptame.mechanism.auxiliary: ptame reads an auxiliary"),
        (
            {"ttame": {"mechanism": {"auxiliary": "resnet18"}}},
            "ttame reads the classifier that it explains; expected n",
        ),
        ({"ptame": {"by_backbone": {"shapes_cn": {}}}}, "by_backbone: 'shapes_cn' is not one of backbones; did you me"),
        ({"ptame": {"by_backbone": {"shapes_cnn": {"los": {}}}}}, "by_backbone.*should be 'mechanism', 'loss' or 'rec"),
        (
            {"ptame": {"by_backbone": {"shapes_cnn": {"loss": {"ares": 1.0}}}}},
            "ptame: by_backbone.shapes_cnn: loss: unknown key 'ares'; did you mean 'area'",
        ),
        (
            {"ptame": {"by_backbone": {"shapes_cnn": {"loss": {"area_power": 0}}}}},
            "ptame: by_backbone.shapes_cnn: loss.area_power: 0 should be greater than 0",
        ),
        (
            {"ptame": {"by_backbone": {"shapes_cnn": {"recipe": {"seed": 3}}}}},
            "ptame: by_backbone.shapes_cnn: recipe: the key 'seed' is gone.*methods.seeds",
        ),
        (
            {"ptame": {"by_backbone": {"shapes_cnn": {"loss": 3}}}},
            "by_backbone.shapes_cnn.loss: 3 should be keys and v",
        ),
        (
            {"lcam_img_a": {"by_backbone": {"shapes_cnn": {"loss": {"area": 1.0}}}}},
            "lcam_img_a is trained with the cross-entropy alone",
        ),
    ],
)
def test_mistakes_are_one_line(attention: dict[str, Any], message: str) -> None:
    with pytest.raises(TTameError, match=message) as caught:
        parse_settings(GIVEN | {"attention": attention, "methods": {"training_free": [], "trained": list(attention)}})
    assert "\n" not in str(caught.value)


def test_an_experiment_of_fewer_backbones_leaves_out_what_its_base_says_of_the_others(tmp_path: Path) -> None:
    base = "data: {source: shapes}\nbackbones: [shapes_cnn, shapes_vit]\nmethods: {trained: [ptame]}\n"
    said = "attention: {ptame: {by_backbone: {shapes_vit: {loss: {area_power: 0.5}}}}}\n"
    (tmp_path / "both.yaml").write_text(base + said)
    (tmp_path / "one.yaml").write_text("base: both\nbackbones: [shapes_cnn]\n")
    assert compose(tmp_path / "one.yaml").attention["ptame"].by_backbone == {}
    assert compose(tmp_path / "both.yaml", ["backbones=[shapes_cnn]"]).attention["ptame"].by_backbone == {}
    assert compose(tmp_path / "both.yaml").attention["ptame"].on("shapes_vit").loss.area_power == 0.5
    (tmp_path / "wrong.yaml").write_text("base: one\n" + said)
    with pytest.raises(TTameError, match=r"attention\.ptame\.by_backbone: 'shapes_vit' is not one of backbones"):
        compose(tmp_path / "wrong.yaml")


def test_the_model_of_an_auxiliary_belongs_to_an_experiment(tmp_path: Path) -> None:
    text = "data: {source: shapes}\nbackbones: [shapes_cnn]\nmethods: {training_free: [], trained: [ptame]}\n"
    text += "models: {reader: {model: resnet18, weights: my.pth}}\n"
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(TTameError, match="models: 'reader' is not one of backbones"):
        compose(file)
    file.write_text(text + "attention: {ptame: {mechanism: {auxiliary: reader}}}\n")
    settings = compose(file)
    assert list(whole(settings)["models"]) == ["shapes_cnn", "reader"]
    found = auxiliary_of(settings, "shapes_cnn", "ptame")
    assert found is not None
    assert (found.model, found.weights) == ("resnet18", "my.pth")


def test_the_registry_says_who_reads_an_auxiliary() -> None:
    readers = [name for name, entry in EXPLAINERS.items() if entry.training and entry.training.reads_auxiliary]
    assert readers == ["ptame"]
