"""Every key of the params with values of every wrong kind, and text that is no YAML."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from ttame.errors import TTameError
from ttame.params.attention import AttentionSettings
from ttame.params.composition import difference, whole
from ttame.params.reading import merge, parse_settings, read_yaml
from ttame.params.settings import ModelSettings, Settings

from .conftest import SMALL, Refused

WRONG: dict[str, Any] = {
    "null": None,
    "nan": float("nan"),
    "inf": float("inf"),
    "truth": True,
    "mapping": {"x": 1},
    "nested": [[1]],
    "negative": -1,
    "huge": 2**70,
    "empty": "",
    "word": "wrong words",
}


def _kinds(annotation: Any) -> set[Any]:
    """The plain types that a key may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(one) for one in get_args(annotation)))
    return {origin or annotation}


def _leaves(model: type[BaseModel], parent: str = "") -> list[tuple[str, set[Any]]]:
    found = []
    for name, field in model.model_fields.items():
        annotation, key = field.annotation, f"{parent}{name}"
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += _leaves(annotation, f"{key}.")
        elif key not in ("models", "attention", "experiment"):
            found.append((key, _kinds(annotation)))
    return found


def _is_wrong(value: Any, kinds: set[Any]) -> bool:
    if value is None:
        return type(None) not in kinds
    if isinstance(value, bool):
        return bool not in kinds
    if isinstance(value, str):
        return str not in kinds or value == ""
    if isinstance(value, float) or value == -1:
        return True
    if isinstance(value, int):
        return float not in kinds
    return True


LEAVES = [
    *_leaves(Settings),
    *_leaves(ModelSettings, "models.shapes_cnn."),
    *_leaves(AttentionSettings, "attention.ttame."),
]
# Any number is a bias.
ANY_NUMBER = {("attention.ttame.mechanism.initial_bias", "negative")}
CASES = [
    (key, wrong)
    for key, kinds in LEAVES
    for wrong, value in WRONG.items()
    if _is_wrong(value, kinds) and (key, wrong) not in ANY_NUMBER
]


def _nested(key: str, value: Any) -> Any:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize(("key", "wrong"), CASES, ids=[f"{key}-{wrong}" for key, wrong in CASES])
def test_a_wrong_value_is_named_by_its_key(refused: Refused, key: str, wrong: str) -> None:
    text = yaml.safe_dump(merge(SMALL, _nested(key, WRONG[wrong])))
    Path("experiments/bad.yaml").write_text(text)
    refused("use", "bad", names=("experiments/bad.yaml", key.rpartition(".")[2]))


@pytest.mark.parametrize("section", sorted({key.rpartition(".")[0] for key, _ in LEAVES} - {""}))
def test_an_unknown_key_is_named_with_its_section(refused: Refused, section: str) -> None:
    Path("experiments/bad.yaml").write_text(yaml.safe_dump(merge(SMALL, _nested(f"{section}.wieghts", 1))))
    refused("use", "bad", names=("experiments/bad.yaml", section, "unknown key 'wieghts'"))


TEXTS: dict[str, bytes] = {
    "tab": b"data:\n\tseed: 1",
    "twice": b"data: {seed: 1}\ndata: {seed: 2}",
    "latin": "backbones: [x]\n# é".encode("latin-1"),
    "tag": b"data: !!python/object/apply:os.system [ls]",
    "set": b"data: !!timestamp x",
    "cycle": b"data: &x {roots: *x}",
    "merge": b"data: &x {<<: *x}",
    "brackets": b"data: " + b"[" * 5000,
    "closed": b"data: " + b"[" * 5000 + b"]" * 5000,
    "integer": b"data: {seed: " + b"9" * 5000 + b"}",
    "number": b"3",
    "list": b"- a\n- b",
    "text": b"only words",
    "date": b"data: {seed: 2020-01-01}",
    "octal": b"data: {seed: 1:30:00x}",
    "zero": b"data: \x00",
    "open": b"data: {seed: 1",
    "two": b"a: 1\n---\nb: 2",
    "key": b"1: 2",
    "complex": b"? [a, b]\n: 1",
    "alias": b"data: *nobody",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_experiment_is_refused(refused: Refused, text: bytes) -> None:
    Path("experiments/bad.yaml").write_bytes(text)
    refused("use", "bad", names=("experiments/bad.yaml",))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab: [],{}&*!|>-'\"\n\t#%@1.<"), max_size=40))
def test_any_text_is_values_or_one_line(text: str) -> None:
    try:
        parse_settings(read_yaml(text, "params.yaml"), "params.yaml")
    except TTameError as error:
        assert "\n" not in str(error)  # noqa: PT017, most texts may be refused


@settings(derandomize=True, max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), noise=st.floats(0, 10), shares=st.sets(st.integers(1, 99), min_size=1))
def test_composed_params_come_back_from_their_text(seed: int, noise: float, shares: set[int]) -> None:
    road = {"seed": seed, "noise": noise, "shares": sorted(shares)}
    usual = whole(parse_settings({"experiment": "x", **SMALL}))
    composed = parse_settings({"experiment": "x", **SMALL, "metrics": {"road": road}})
    values = whole(composed)
    assert parse_settings(read_yaml(yaml.safe_dump(values), "params.yaml")) == parse_settings(values)
    assert merge(usual, difference(values, usual)) == values
