from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.errors import TTameError
from ttame.params.settings import SCHEMA_FILE, load_settings, parse_settings

from ..conftest import REPOSITORY


@pytest.mark.parametrize(
    "path", ["params.yaml", *(f"experiments/{p.name}" for p in (REPOSITORY / "experiments").glob("*.yaml"))]
)
def test_experiments_of_the_repository_are_valid(path: str) -> None:
    settings = load_settings(REPOSITORY / path)
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
        ("attention.ttame.recipe.epochs", "8", r"attention\.ttame\.recipe\.epochs: '8' is not of type 'integer'"),
        ("attention.ttame.recipe.epochs", 0, r"attention\.ttame\.recipe\.epochs: 0 is less than the minimum of 1"),
        ("attention.ttame.recipe.epochs", None, r"attention\.ttame\.recipe: the key 'epochs' is missing"),
        ("metrics.shares", [100, 150], r"metrics\.shares\.1: 150 is greater than the maximum"),
        ("metrics.shares", [50], r"metrics\.shares: 100 is missing; add it \(percent of the pixels"),
        ("data.source", "folders", r"data\.source: 'folders' is not one of"),
        ("backbones", ["shapes_cn"], r"backbones: 'shapes_cn' is not a key of models; did you mean 'shapes_cnn'"),
        (
            "methods.training_free",
            ["grad_cam"],
            r"'grad_cam' is not a method that needs no training; did you mean 'gradcam'",
        ),
        ("methods.training_free", ["ttame"], r"'ttame' is not a method that needs no training"),
        ("methods.trained", ["gradcam"], r"'gradcam' is not a method that is trained"),
        ("attention.ttame.learning_rate", {"shapes_cnn": 0.1}, r"'shapes_vit' is not given a learning rate"),
        ("methods.training_free", ["lrp"], r"'lrp' is defined on transformers alone; list it in methods\.on_transf"),
        ("methods.on_transformers.training_free", ["gradcam"], r"methods: gradcam is listed twice"),
        ("methods.on_transformers.backbones", ["shapes_vi"], r"'shapes_vi' is not one of backbones; did you mean"),
        ("methods.trained", ["ttame-two_layers"], r"'ttame-two_layers' is not a key of attention"),
        ("attention.lcam_img_a.loss.area", 2.0, r"lcam_img_a is trained with the cross-entropy alone; set area"),
        ("attention.ttame.mechanism.feature_layers", "last", r"feature_layers: 'last' is not valid"),
        ("attention.ttame.recipe", SHARP | {"accumulate": 2}, r"ttame\.recipe\.sharpness: needs accumulate: 1"),
        ("attention.ttame.recipe.optimiser", "sgd", r"recipe\.optimiser: 'sgd' is not one of"),
        ("attention.ttame.checkpoints", {"vgg": "a"}, r"checkpoints: 'vgg' is not one of backbones"),
        ("data.model_truths", ["shapes_vi"], r"model_truths: 'shapes_vi' is not one of backbones; did you mean"),
        ("experiment", "a/b", r"experiment: 'a/b' does not match"),
        ("data.source", "folder", r"ground_truth needs data\.source: shapes"),
        ("executoin", {}, r"unknown key 'executoin'; did you mean 'execution'"),
    ],
)
def test_mistake_is_one_line_with_its_key(params: dict[str, Any], key: str, value: Any, message: str) -> None:
    _change(params, key, value)
    with pytest.raises(TTameError, match=message) as caught:
        parse_settings(params, "params.yaml")
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


def test_broken_yaml_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(TTameError, match="not valid YAML at line 2"):
        load_settings(tmp_path / "params.yaml")
    with pytest.raises(TTameError, match="no such file"):
        load_settings(tmp_path / "missing.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(TTameError, match="is not of type 'object'"):
        load_settings(tmp_path / "list.yaml")


def test_every_key_of_the_schema_is_described() -> None:
    schema = yaml.safe_load(SCHEMA_FILE.read_text())

    def undescribed(node: Any, key: str) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in undescribed(item, key)]
        if not isinstance(node, dict):
            return []
        found = []
        for name, child in node.get("properties", {}).items():
            if "description" not in child and "description" not in schema["$defs"].get(
                str(child.get("$ref")).rpartition("/")[2], {}
            ):
                found.append(f"{key}.{name}")
            found += undescribed(child, f"{key}.{name}")
        for rule in ("additionalProperties", "items", "oneOf"):
            found += undescribed(node.get(rule), key)
        return found

    assert undescribed(schema, "params") == []
