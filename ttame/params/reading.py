"""Reading files of params: YAML to checked settings."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ttame.errors import TTameError
from ttame.explainers.registry import find, is_trained, registered_name
from ttame.params.messages import explain
from ttame.params.references import check_references
from ttame.params.safe_loader import SafeLoader
from ttame.params.settings import Settings
from ttame.params.written import EVERY, Layer, Mistake

BY_BACKBONE = ("learning_rate", "checkpoints")
"""Keys with a value by backbone: to say another value is to say it for all backbones."""


class _Loader(SafeLoader):
    """Refuses a key that stands twice, and takes 1e-3 for the number that it is in YAML 1.2, which DVC reads."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value != "<<" and isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(str(key.value))
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        for key in found:
            if not isinstance(key, str):
                problem = f"the key {key!r} is no text; write it in quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return found


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(text: str, source: str) -> Any:
    """The values of a YAML text; `source` is its name in messages.

    Raises:
        TTameError: naming the line, when it is no YAML or names a key twice.
    """
    try:
        found = yaml.load(text, _Loader)
        json.dumps(found, default=str)  # what holds itself cannot be written down
    # A tag can make PyYAML's constructors raise nearly anything.
    except (yaml.YAMLError, RecursionError, ValueError, KeyError, TypeError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        ours = problem if "the key " in (problem := str(getattr(error, "problem", ""))) else "not valid YAML"
        raise TTameError(f"{' '.join(source.split())[:200]}: {ours}{where}; mend it there") from None
    return found


def read_text(path: Path) -> str:
    """A file of params as text.

    Raises:
        TTameError: when it is missing, cannot be read or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise TTameError(
            f"{path}: no such file; run from the folder that holds it, make it with `python -m ttame use NAME`, "
            "or give --params FILE"
        ) from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise TTameError(f"{path}: not UTF-8 at line {line}; save it as UTF-8") from None
    except OSError as error:
        raise TTameError(f"{path}: cannot be read ({error.strerror or error}); expected a file of params") from None


def parse_settings(params: Any, source: str = "params", layers: Sequence[Layer] = ()) -> Settings:
    """Checked settings from an already read mapping, keys that it leaves out at their defaults.

    Args:
        params: as read from YAML.
        source: the name used in messages.
        layers: what the mapping was composed of, what stands above first; a mistake is named where it was written.

    Raises:
        TTameError: naming the key, what is expected there and how to mend it.
    """
    completed = _with_defaults_of_methods(params)
    try:
        settings = Settings.model_validate(completed)
        check_references(settings)
    except ValidationError as error:
        raise TTameError(explain(error, Settings, completed).told(source, layers)) from None
    except Mistake as mistake:
        raise TTameError(mistake.told(source, layers)) from None
    return settings


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of both; where both have one, sections are merged and anything else is what is above."""
    merged = dict(below)
    for key, value in above.items():
        both = key not in BY_BACKBONE and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _with_defaults_of_methods(params: Any) -> Any:
    """What depends on other keys: a classifier is the model of its name, a trained method starts from its defaults.

    What `attention.every` says holds for all trained methods, below what each says for itself; a labelled method starts
    from the settings of its own, `ttame-two_layers` from those of `ttame`.
    """
    if not isinstance(params, dict):
        return params
    backbones, methods = params.get("backbones"), params.get("methods", {})
    models, attention = params.get("models", {}), params.get("attention", {})
    completed = dict(params)
    if isinstance(backbones, list) and isinstance(models, dict):
        own = {name: {"model": name} for name in backbones if isinstance(name, str)}
        completed["models"] = merge(own, models)
    trained = (
        methods.get("trained", Settings.model_fields["methods"].default.trained) if isinstance(methods, Mapping) else []
    )
    if isinstance(attention, dict) and isinstance(trained, list):
        names = [name for name in [*trained, *attention] if isinstance(name, str) and is_trained(name)]
        # One that is no section breaks a rule under its own name.
        named = {key: value for key, value in attention.items() if key != EVERY or not isinstance(value, Mapping)}
        completed["attention"] = named | {name: _attention_of(name, attention) for name in names}
    return completed


def _attention_of(method: str, attention: Mapping[str, Any]) -> Any:
    training = find(method).training
    section: Any = {} if training is None else training.defaults
    for name in dict.fromkeys((EVERY, registered_name(method), method)):
        above = attention.get(name, {})
        if not isinstance(above, Mapping):
            if name == EVERY:
                continue
            return above
        # What another method imports instead of training is that method's alone.
        own = name == method
        section = merge(section, above if own else {key: value for key, value in above.items() if key != "checkpoints"})
    return section
