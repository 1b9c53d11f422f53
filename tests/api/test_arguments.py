from __future__ import annotations

import pytest

from ttame.api.arguments import listed, naming_arguments
from ttame.errors import NotDefined, TTameError


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("models.a.b.weights: x.pt: no such file", "weights: x.pt: no such file"),
        ("models.a.b.model: unknown model 'x'", "module: unknown model 'x'"),
        ("models.a.b: its forward returns a tuple", "module: its forward returns a tuple"),
        ("models.a.b: found no feature maps by rule", "layers: found no feature maps by rule"),
        ("models.a.b: no layer called 'x'", "layers: no layer called 'x'"),
        ("models.a.b: no layer called 'last'", "target_layer: no layer called 'last'"),
        ("models.aXb.weights: of another", "models.aXb.weights: of another"),
        ("put them there and set models.a.b.weights to it", "put them there and set weights to it"),
        ("mechanism.warm_start: needs branches", "warm_start: needs branches"),
        ("lower attention.ttame.recipe.batch_size", "lower batch_size"),
        ("trained for layers 1, but params.yaml says 2", "trained for layers 1, but this model has 2"),
        ("lower execution.batch_size in params.yaml", "lower batch_size"),
        ("raise attention.ttame+.learning_rate, or loss.area", "raise learning_rate, or area"),
        ("explainers.lrp.start_layer: a.b has 2 blocks", "start_layer: a.b has 2 blocks"),
        ("models.a.b.weights: models.a.b.pt: no such file", "weights: models.a.b.pt: no such file"),
    ],
)
def test_keys_of_params_become_arguments(said, expected) -> None:
    with pytest.raises(TTameError) as caught, naming_arguments(name="a.b", classifier="module", target_layer="last"):
        raise TTameError(said)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "said",
    [
        "runs/mechanism.safetensors: is no checkpoint",
        "mechanism.safetensors: is no checkpoint",
        "photos/loss.png: cannot be decoded",
        "loss.area/recipe.epochs.jpg: cannot be decoded",
        "did you mean 'layer.10.attention.output.dense' or 'loss.area' or 'attention.0.recipe.epochs'?",
        "/home/models.a.b.weights/explainers.rise.masks: no such file",
    ],
)
def test_names_of_files_and_layers_stay_whole(said: str) -> None:
    with pytest.raises(TTameError) as caught, naming_arguments("images[0]", name="a.b"):
        raise TTameError(said)
    assert str(caught.value) == f"images[0]: {said}"


def test_one_argument_may_be_what_all_errors_are_of() -> None:
    with pytest.raises(NotDefined, match=r"^method: not defined$"), naming_arguments("method"):
        raise NotDefined("not defined")


def test_a_single_name_is_no_list() -> None:
    assert listed(("a", "b"), "layers") == ["a", "b"]
    for wrong in ("ab", [1, 2]):
        with pytest.raises(TTameError, match=r"layers: .* expected a list of names"):
            listed(wrong, "layers")  # type: ignore[arg-type]
