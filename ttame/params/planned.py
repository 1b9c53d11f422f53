"""What ran is what was planned: a stage publishes nothing once the keys that it reads have other values.

`dvc.yaml` says which keys those are. Snakemake hands the digest of their values over with every job, as it planned it.
A job that starts or ends after somebody edited params.yaml ends with one line, not with a result that would be recorded
under values that did not make it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml

from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.params.composition import whole
from ttame.params.contents import WATCHED, digests, named_files
from ttame.params.safe_loader import SafeLoader
from ttame.params.settings import Settings
from ttame.params.specification import classifier_specification, specification
from ttame.store.artifacts import guarded

DESCRIPTION = Path("dvc.yaml")
DESCRIBED_BY = "TTAME_DESCRIPTION"
"""Environment variable with the dvc.yaml of an engine, whose repository may lie elsewhere than the params."""
PLANNED = "TTAME_PLANNED"
"""Environment variable with the digest that the engine planned a job with."""


def values_read(description: Mapping[str, Any], settings: Settings, wildcards: Mapping[str, str]) -> dict[str, Any]:
    """The values of the keys that a stage of dvc.yaml depends on, for one of its jobs, and digests of their files."""
    keys = [_filled(key, wildcards) for key in description.get("params", [])]
    values = whole(settings)
    found = {key: reduce(lambda section, name: section[name], key.split("."), values) for key in keys}
    for dep in description.get("deps", []):
        if dep.endswith("/specifications/${item.backbone}/${item.method}.json"):
            found["specification"] = specification(settings, wildcards["backbone"], wildcards["method"])
        elif dep.endswith("/specifications/${item.backbone}/classifier.json"):
            found["classifier"] = classifier_specification(settings, wildcards["backbone"])
        elif dep == str(WATCHED):
            found["files"] = digests(named_files(settings))
    return found


def digest(values: Mapping[str, Any]) -> str:
    """Of the values that a stage reads, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def as_planned(path: Path, settings: Settings, stage: str, wildcards: Mapping[str, str]) -> Iterator[None]:
    """Let a stage run, and publish results only while the keys that it depends on have the values that it was given.

    Raises:
        TTameError: at the start, when the engine planned the job with other values; when a result is published, when
            the file holds other values by then.
    """
    description = _describe(stage, path)
    given = values_read(description, settings, wildcards)
    planned, read = os.environ.get(PLANNED), b""
    job = " ".join([stage, *wildcards.values()])
    if planned is not None and planned != digest(given):
        raise TTameError(
            f"{path}: it, or a file that it names, was edited after {job} was planned; start the engine again, what "
            "is finished is kept"
        )

    def check(target: Path) -> None:
        nonlocal read
        text = path.read_bytes()
        if target.parts[0] != settings.results.parts[0] or text == read:
            return
        try:
            now = values_read(description, _read_again(path), wildcards)
        except KeyError as error:  # another experiment, which has no such backbone or method
            now = {str(error).strip("'"): None}
        changed = [key for key, value in now.items() if given.get(key, key) != value]
        if changed:
            raise TTameError(
                f"{path}: {', '.join(changed)} edited while {job} ran, so {target} is not written; run it again, or "
                "edit the value back"
            )
        read = text

    with guarded(check):
        yield


def _read_again(path: Path) -> Settings:
    try:
        return load_settings(path)
    except TTameError:
        time.sleep(1)  # an editor may have been about to write the rest
        return load_settings(path)


def _describe(stage: str, path: Path) -> Mapping[str, Any]:
    """The entry of dvc.yaml that this command stands in; where there is no DAG, every key counts but the execution."""
    for description in _stages(Path(os.environ.get(DESCRIBED_BY, path.parent / DESCRIPTION)).resolve()).values():
        if description["cmd"].split()[3] == stage:
            found: Mapping[str, Any] = description
            return found
    return {"params": [name for name in Settings.model_fields if name != "execution"]}


@cache
def _stages(path: Path) -> dict[str, Any]:
    return dict(yaml.load(path.read_text(encoding="utf-8"), SafeLoader)["stages"]) if path.exists() else {}


def _filled(key: str, wildcards: Mapping[str, str]) -> str:
    for name, value in wildcards.items():
        key = key.replace(f"${{item.{name}}}", value)
    return key
