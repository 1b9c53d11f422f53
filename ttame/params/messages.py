"""What pydantic found wrong with the params, as one line: the key, what was expected there, the nearest known key."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ttame.errors import suggestion
from ttame.params.written import Mistake, Place

ON_TRANSFORMERS = (
    "is gone, since pairs of method and classifier that are not defined are left out by themselves; add its methods to "
    "the other two lists, or compose the file again with `python -m ttame use NAME`"
)
RECIPE_SEED = (
    "is gone, since all methods are trained with the same seeds; give them as methods.seeds, [1] say, or compose the "
    "file again with `python -m ttame use NAME`"
)
GONE: dict[Place, str] = {
    ("methods", "on_transformers"): ON_TRANSFORMERS,
    ("attention", "*", "recipe", "seed"): RECIPE_SEED,
    ("recipe", "seed"): RECIPE_SEED,  # under by_backbone
}
"""Keys of earlier versions, and what became of them; * is any name."""


def explain(error: ValidationError, model: type[BaseModel], params: Any) -> Mistake:
    """The first thing that is wrong; an unknown key comes before the one that is missing for it."""
    found = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
    first = found[0]
    place = _place(first["loc"], params)
    if first["type"] == "extra_forbidden":
        return _unknown(first["loc"], model)
    if first["type"] == "missing":
        return Mistake(first["loc"], f"the key {first['loc'][-1]!r} is missing; add it", inside=True)
    if first["type"] == "value_error":
        return Mistake(place, f"{first['ctx']['error']}{_meaning(place, model)}")
    # A value that may be of two types breaks the rules of both; of a list that may be a word, an item is wrong.
    inside = [one for one in found if len(_place(one["loc"], params)) > len(place) and _under(one, place, params)]
    if inside and isinstance(_at(place, params), list):
        first, place = inside[0], _place(inside[0]["loc"], params)
    rules = [_rule(one) for one in found if _under(one, place, params)]
    value = _at(place, params) if place else first["input"]
    hint = suggestion(value, first["ctx"]["expected"].split("'")) if _is_choice(first, value) else ""
    problem = f"{_short(value)} should {' or '.join(dict.fromkeys(rules))}{hint}{_meaning(place, model)}"
    return Mistake(place, problem)


def _unknown(location: Place, model: type[BaseModel]) -> Mistake:
    *parents, name = location
    for gone, became in GONE.items():
        if len(gone) == len(location) and all(one in ("*", other) for one, other in zip(gone, location, strict=True)):
            return Mistake(location, f"the key {name!r} {became}", inside=True)
    inner = model if not parents else _model_of(_field(tuple(parents), model))
    known = list(inner.model_fields) if inner is not None else []
    expected = f"; expected one of {', '.join(known)}" if known else "; expected no key"
    return Mistake(location, f"unknown key {name!r}{suggestion(str(name), known) or expected}", inside=True)


def _rule(error: Any) -> str:
    if error["type"] == "string_pattern_mismatch":
        return "be of letters, digits, _, - and +, the first a letter or digit"
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "be keys and values"
    if error["type"] == "finite_number":
        return "be a number, not .nan or .inf"
    return str(error["msg"]).removeprefix("Input should ").removeprefix("String should ").removeprefix("List should ")


def _under(error: Any, place: Place, params: Any) -> bool:
    return _place(error["loc"], params)[: len(place)] == place


def _is_choice(error: Any, value: Any) -> bool:
    return error["type"] == "literal_error" and isinstance(value, str)


def _place(location: Place, params: Any) -> Place:
    """The part of a location that is a place in the file: pydantic names the tried types too."""
    return tuple(part for part, _ in _walk(location, params))


def _at(place: Place, params: Any) -> Any:
    for _, value in _walk(place, params):
        params = value
    return params


def _walk(location: Place, params: Any) -> Iterator[tuple[int | str, Any]]:
    for part in location:
        if isinstance(params, list):
            if not isinstance(part, int):
                continue
            params = params[part]
        elif isinstance(params, Mapping) and part in params:
            params = params[part]
        else:
            continue
        yield part, params


def _field(place: Place, model: type[BaseModel]) -> FieldInfo | None:
    """The description of the key at a place; that of the nearest key above for a part of its value."""
    inner: type[BaseModel] | None = model
    found = None
    for part in place:
        if inner is not None and part in inner.model_fields:
            found = inner.model_fields[str(part)]
            inner = _model_of(found) if not _is_mapping(found) else None
        elif found is not None and _is_mapping(found):
            inner = _model_of(found)
    return found


def _model_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The section that a key holds, or that every entry of it holds."""
    annotation = None if field is None else field.annotation
    if typing.get_origin(annotation) is dict:
        annotation = typing.get_args(annotation)[1]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):  # a section or null
        annotation = next((one for one in typing.get_args(annotation) if isinstance(one, type)), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _is_mapping(field: FieldInfo) -> bool:
    return typing.get_origin(field.annotation) is dict


def _meaning(place: Place, model: type[BaseModel]) -> str:
    field = _field(place, model)
    return f" ({field.description})" if field is not None and field.description else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
