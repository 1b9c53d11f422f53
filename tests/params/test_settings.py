from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.errors import TTameError
from ttame.explainers.registry import EXPLAINERS
from ttame.params.active import load_settings
from ttame.params.reading import parse_settings
from ttame.params.schema import schema_text
from ttame.params.settings import Settings

from ..conftest import REPOSITORY


@pytest.mark.parametrize(
    "path", ["params.yaml", *(f"experiments/{p.name}" for p in (REPOSITORY / "experiments").glob("*.yaml"))]
)
def test_experiments_of_the_repository_are_valid(path: str, monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    settings = load_settings(Path(path))
    assert path == "params.yaml" or settings.experiment == Path(path).stem


def _change(params: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        params = params[parent]
    if value is None:
        del params[last]
    else:
        params[last] = value


SHARP = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["attention"]["ttame"]["recipe"] | {"sharpness": 0.1}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("attention.ttame.recipe.epoch", 3, r"attention\.ttame\.recipe: unknown key 'epoch'; did you mean 'epochs'"),
        ("attention.ttame.recipe.epochs", "8", r"attention\.ttame\.recipe\.epochs: '8' should be a valid integer"),
        ("attention.ttame.recipe.epochs", 4.0, r"attention\.ttame\.recipe\.epochs: 4\.0 should be a valid integer"),
        ("attention.ttame.recipe.epochs", True, r"recipe\.epochs: True should be a valid integer"),
        ("attention.ttame.recipe.epochs", 0, r"recipe\.epochs: 0 should be greater than or equal to 1 \(passes over"),
        ("attention.ttame.loss.area", float("nan"), r"attention\.ttame\.loss\.area: nan should be a "),
        ("attention.ttame.recipe.weight_decay", float("inf"), r"recipe\.weight_decay: inf should be a "),
        ("metrics.shares", [100, 150], r"metrics\.shares\.1: 150 should be less than or equal to 100"),
        ("metrics.shares", [50], r"metrics\.shares: 100 is missing; add it \(percent of the pixels"),
        ("metrics.shares", [100, 50, 50], r"metrics\.shares: 50 is listed twice; remove one"),
        ("data.source", "folders", r"data\.source: 'folders' should be 'shapes', 'folder' or 'ilsvrc'; did you mean"),
        (
            "methods.training_free",
            ["grad_cam"],
            r"'grad_cam' is not a method that needs no training; did you mean 'gra",
        ),
        ("methods.training_free", ["ttame"], r"'ttame' is not a method that needs no training"),
        ("methods.trained", ["gradcam"], r"'gradcam' is not a method that is trained"),
        (
            "methods.on_transformers",
            {},
            r"methods: the key 'on_transformers' is gone, since pairs .* `python -m ttame use",
        ),
        ("attention.ttame.learning_rate", {"shapes_cnn": 0.1}, r"'shapes_vit' is not given a learning rate"),
        (
            "attention.tame-x",
            {"epochs": 1},
            r"attention\.tame-x: unknown key 'epochs'; expected one of mechanism, loss",
        ),
        ("attention.taame", {}, r"attention: 'taame' is not a method that is trained; did you mean"),
        ("attention.lcam_img_a.loss.area", 2.0, r"lcam_img_a is trained with the cross-entropy alone; set area"),
        (
            "attention.ttame.mechanism.feature_layers",
            "last",
            r"feature_layers: 'last' should be 'all' or be a valid li",
        ),
        ("attention.ttame.mechanism.feature_layers", [1.5], r"feature_layers\.0: 1\.5 should be a valid integer"),
        ("attention.ttame.recipe", SHARP | {"accumulate": 2}, r"ttame\.recipe\.sharpness: needs accumulate: 1"),
        ("attention.ttame.recipe.optimiser", "sgd", r"recipe\.optimiser: 'sgd' should be 'SGD', 'Adam'"),
        ("attention.ttame.checkpoints", {"vgg": "a"}, r"checkpoints: 'vgg' is not one of backbones"),
        ("data.model_truths", ["shapes_vi"], r"model_truths: 'shapes_vi' is not one of backbones; did you mean"),
        ("experiment", "a/b", r"experiment: 'a/b' should be of letters, digits"),
        ("experiment", "shapes\n", r"experiment: 'shapes\\n' should be of letters, digits"),
        ("backbones", ["a.b"], r"backbones\.0: 'a\.b' should be of letters, digits"),
        ("models.shapes_cnn", {"layers": 3}, r"models\.shapes_cnn\.layers: 3 should be 'auto' or be a valid list"),
        ("data.roots.train", "", r"data\.roots\.train: '' should have at least 1 character"),
        ("data.roots.train", " ", r"data\.roots\.train: ' ' is blank"),
        ("data.source", "folder", r"ground_truth needs data\.source: shapes"),
        ("executoin", {}, r"unknown key 'executoin'; did you mean 'execution'"),
        ("explainers.rise.mask", 3, r"explainers\.rise: unknown key 'mask'; did you mean 'masks'"),
        ("explainers.rise.masks", 0, r"explainers\.rise\.masks: 0 should be greater than or equal to 1"),
        ("explainers.rise.keep", 2, r"explainers\.rise\.keep: 2 should be less than 1"),
        ("explainers.gradcam", {"x": 1}, r"explainers\.gradcam: unknown key 'x'; expected no key"),
        ("explainers", [], r"explainers: \[\] should be keys and values"),
    ],
)
def test_mistake_is_one_line_with_its_key(params: dict[str, Any], key: str, value: Any, message: str) -> None:
    _change(params, key, value)
    with pytest.raises(TTameError, match=message) as caught:
        parse_settings(params, "params.yaml")
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2", "not valid YAML at line 2"),
        ("a: 1\na: 2", "the key 'a' stands twice at line 2"),
        ("- 1", r"the file: \[1\] should be keys and values"),
        ("a: &x [*x]", "not valid YAML|unknown key|should be"),
        ("a:\tb", "not valid YAML at line 1|unknown key"),
    ],
)
def test_broken_yaml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(TTameError, match=message):
        load_settings(tmp_path / "params.yaml")


def test_missing_file_and_other_encodings(tmp_path: Path) -> None:
    with pytest.raises(TTameError, match="no such file"):
        load_settings(tmp_path / "missing.yaml")
    (tmp_path / "params.yaml").write_bytes("experiment: x\n# é".encode("latin-1"))
    with pytest.raises(TTameError, match="not UTF-8 at line 2"):
        load_settings(tmp_path / "params.yaml")


def test_a_key_left_out_of_the_active_file_is_named(params: dict[str, Any], tmp_path: Path) -> None:
    del params["metrics"]["road"]["noise"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(TTameError, match=r"metrics\.road: the key 'noise' is missing, and both engines need every key"):
        load_settings(tmp_path / "params.yaml")


def test_exponents_are_numbers_as_in_dvc(params: dict[str, Any], tmp_path: Path) -> None:
    params["attention"]["ttame"]["learning_rate"] = 0.001
    text = yaml.safe_dump(params).replace("learning_rate: 0.001", "learning_rate: 1e-3")
    (tmp_path / "params.yaml").write_text(text)
    assert load_settings(tmp_path / "params.yaml").attention["ttame"].learning_rate == 0.001


def test_trained_methods_start_from_their_defaults_and_labels_from_their_own() -> None:
    methods = {"training_free": [], "trained": ["ttame", "ttame-small", "lcam_img_a", "tame"]}
    attention = {
        "every": {"recipe": {"epochs": 3}},
        "ttame": {"loss": {"area": 1.0}},
        "ttame-small": {"recipe": {"batch_size": 4}},
    }
    given = {"experiment": "x", "data": {"source": "shapes"}, "backbones": ["shapes_cnn"]}
    found = parse_settings(given | {"methods": methods, "attention": attention}).attention
    assert list(found) == ["ttame", "ttame-small", "lcam_img_a", "tame"]
    assert {settings.recipe.epochs for settings in found.values()} == {3}
    assert (found["ttame-small"].loss.area, found["ttame-small"].recipe.batch_size) == (1.0, 4)
    assert (found["tame"].loss.area, found["tame"].mechanism.feature_layers) == (2.0, "all")
    assert (found["lcam_img_a"].loss.area, found["lcam_img_a"].mechanism.feature_layers) == (0.0, [-1])


def test_the_defaults_and_the_demo_have_the_methods_of_the_paper_alone(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    added = {"gae", "legrad", "integrated_gradients", "smoothgrad", "ttame_ranked"}
    for path in ("params.yaml", "experiments/paper.yaml", "experiments/photos.yaml"):
        methods = load_settings(Path(path)).methods.all
        assert {"gradcam", "rise", "ttame"} < set(methods), path
        assert not added & set(methods), path
    given = {"experiment": "x", "data": {"source": "shapes"}, "backbones": ["shapes_cnn"]}
    named = parse_settings(given | {"methods": {"training_free": ["smoothgrad", "integrated_gradients"]}})
    assert named.methods.all[:2] == ["integrated_gradients", "smoothgrad"]


def test_a_backbone_without_an_entry_is_the_model_of_its_name() -> None:
    settings = parse_settings({"experiment": "x", "data": {"source": "shapes"}, "backbones": ["resnet18"]})
    assert settings.models["resnet18"].model == "resnet18"


def test_every_key_is_described() -> None:
    def undescribed(model: Any, key: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            found += [] if field.description else [f"{key}.{name}"]
            if hasattr(field.annotation, "model_fields"):
                found += undescribed(field.annotation, f"{key}.{name}")
        return found

    assert undescribed(Settings, "params") == []
    for name, entry in EXPLAINERS.items():
        assert undescribed(entry.options, name) == []


def test_published_schema_is_that_of_the_models() -> None:
    path = REPOSITORY / "workflow/schemas/params.schema.json"
    assert path.read_text() == schema_text(), f"run `python -m ttame schema > {path.relative_to(REPOSITORY)}`"
