"""`params.yaml`: the active experiment, every key of it, as both engines and every stage read it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ttame.errors import TTameError
from ttame.params.composition import EXPERIMENTS, compose, difference, experiment_file, whole
from ttame.params.reading import parse_settings, read_text, read_yaml
from ttame.params.settings import Settings
from ttame.params.written import EVERY
from ttame.store.artifacts import write_text

PARAMS_FILE = Path("params.yaml")

HEADER = """\
# yaml-language-server: $schema=workflow/schemas/params.schema.json
# The active experiment, every key of it: experiments/{name}.yaml completed by
#   {command}
# Edit it as you like; `python -m ttame save NAME` keeps what you changed as an experiment of its own, and `use` brings
# another one. workflow/schemas/params.schema.json explains every key.
# As composed: {digest}
"""


@dataclass(frozen=True)
class Origin:
    """What the first lines of a params file say: the words after `use`, and the digest of the values composed."""

    words: list[str]
    digest: str

    @property
    def file(self) -> Path:
        """The experiment."""
        return experiment_file(self.words[0])

    @property
    def command(self) -> str:
        """What composes the file again."""
        return shlex.join(["python", "-m", "ttame", "use", *self.words])


def load_settings(path: Path = PARAMS_FILE) -> Settings:
    """Read and check a file of params: a whole one such as params.yaml, or an experiment, which is composed.

    Raises:
        TTameError: naming the file and the key, when the file is missing, is no YAML, breaks a rule or lacks a key, or
            when its experiment changed since it was composed.
    """
    text = read_text(path)
    params = read_yaml(text, str(path))
    is_experiment = path.parent.name == EXPERIMENTS.name or (isinstance(params, dict) and "base" in params)
    return compose(path) if is_experiment else _load_whole(path, text, params)


def _load_whole(path: Path, text: str, params: Any) -> Settings:
    _refuse_stale(path, text)
    if isinstance(params, dict) and isinstance(params.get("attention"), dict) and EVERY in params["attention"]:
        raise TTameError(
            f"{path}: attention.{EVERY}: is for experiments; here every method has its own section, change those"
        )
    settings = parse_settings(params, str(path))
    missing = _missing_key(params, whole(settings))
    if missing is not None:
        parent, key = missing
        raise TTameError(
            f"{path}: {parent}: the key {key!r} is missing, and both engines need every key; add it, or compose the "
            "file with `python -m ttame use NAME`"
        )
    return settings


def write_active(words: Sequence[str], settings: Settings) -> None:
    """Write params.yaml; `words` are those of the `use` command that composed the settings."""
    values = whole(settings)
    origin = Origin(list(words), _digest(values))
    header = HEADER.format(name=words[0], command=origin.command, digest=origin.digest)
    write_text(PARAMS_FILE, header + _as_dvc_writes(values))


class _Dumper(yaml.SafeDumper):
    """The form of ruamel.yaml, with which DVC changes a value: nothing for null, lines of 80."""


def _nothing(dumper: _Dumper, _: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(type(None), _nothing)


def _as_dvc_writes(values: Mapping[str, Any]) -> str:
    """So that a value which `dvc exp run --set-param` changes is one line of a difference."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=80)


def read_origin(text: str) -> Origin | None:
    """What a file was composed of; None for one that was written by hand."""
    command = re.search(r"^#   python -m ttame use (.+)$", text, re.MULTILINE)
    digest = re.search(r"^# As composed: ([0-9a-f]+)$", text, re.MULTILINE)
    if command is None or digest is None:
        return None
    try:
        words = shlex.split(command[1])
    except ValueError:
        return None
    return Origin(words, digest[1]) if words else None


def edited_keys(path: Path = PARAMS_FILE) -> list[str] | None:
    """Keys of an active file that were changed by hand since it was composed; None where there is nothing to lose.

    Raises:
        TTameError: when the file is no YAML.
    """
    if not path.exists():
        return None
    text = read_text(path)
    params = read_yaml(text, str(path))
    origin = read_origin(text)
    if origin is not None and _digest(params) == origin.digest:
        return None
    try:
        composed = {} if origin is None else whole(compose(origin.file, origin.words[1:]))
    except TTameError:
        composed = {}
    return list(_dotted(difference(params, composed) if isinstance(params, dict) else {}))


def _refuse_stale(path: Path, text: str) -> None:
    """An experiment edited after its file was composed must not be computed as it was before."""
    origin = read_origin(text)
    if origin is None or not origin.file.exists():
        return
    if _digest(whole(compose(origin.file, origin.words[1:]))) != origin.digest:
        raise TTameError(
            f"{path}: {origin.file}, a base of it or a default changed since the file was composed; run "
            f"`{origin.command}`"
        )


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _missing_key(params: Any, expected: Mapping[str, Any], parent: str = "") -> tuple[str, str] | None:
    for key, value in expected.items():
        if key not in params:
            return parent or "the file", key
        if isinstance(value, Mapping) and isinstance(params[key], Mapping):
            missing = _missing_key(params[key], value, f"{parent}.{key}".lstrip("."))
            if missing is not None:
                return missing
    return None


def _dotted(values: Mapping[str, Any], parent: str = "") -> list[str]:
    found = []
    for key, value in values.items():
        inner = isinstance(value, Mapping) and value
        found += _dotted(value, f"{parent}{key}.") if inner else [f"{parent}{key}"]
    return found
