"""`ttame use`, `save` and `new`: which experiment is active, and how one begins. No tracked experiment is moved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from ttame.errors import TTameError
from ttame.params.active import PARAMS_FILE, edited_keys, load_settings, read_origin, write_active
from ttame.params.composition import EXPERIMENTS, compose, difference, experiment_file, read_experiment, whole
from ttame.params.reading import merge, read_text
from ttame.params.section import Name
from ttame.params.settings import Settings
from ttame.store.artifacts import write_text


def use(name: str, overrides: Sequence[str] = (), force: bool = False) -> str:
    """Compose an experiment into params.yaml.

    Returns:
        What was done, for the user.

    Raises:
        TTameError: when there is no such experiment, it breaks a rule, or params.yaml was edited by hand and `force`
            is not set.
    """
    _check_name(name)
    # The file says the command in one line, which a list that was typed over several would break.
    overrides = [re.sub(r"\s*\n\s*", " ", override) for override in overrides]
    settings = compose(experiment_file(name), overrides)
    _refuse_to_overwrite_edits(force)
    write_active([name, *overrides], settings)
    return f"{name} is active in {PARAMS_FILE}; results go to {settings.results}/"


def save(name: str, force: bool = False) -> str:
    """Write what params.yaml changes of its base to `experiments/<name>.yaml`, and make that the active experiment.

    Raises:
        TTameError: when the name is none, the file is there already and `force` is not set, or params.yaml breaks a
            rule.
    """
    file = _new_file(name, force)
    settings = load_settings()
    origin = read_origin(read_text(PARAMS_FILE))
    base = origin.words[0] if origin is not None and origin.file.exists() else None
    if base == name:
        base = read_experiment(experiment_file(base)).get("base")
    values = {key: value for key, value in whole(settings).items() if key != "experiment"}
    said = _difference_to(base, file, values)
    if _composed(file, said) != values:
        said = values  # a base can be changed, but what it lists by name cannot be taken out of it
    if _composed(file, said) != values:
        raise TTameError(f"{PARAMS_FILE}: cannot be said as an experiment; keep a copy of the file itself")
    write_text(file, _as_yaml(said))
    return f"{file}: written\n{use(name, force=True)}"


def _difference_to(base: str | None, file: Path, values: dict[str, Any]) -> dict[str, Any]:
    """What an experiment says whose base is `base`: the lists first, then what still differs with these lists."""
    said: dict[str, Any] = {} if base is None else {"base": base}
    if base is None:
        return values
    lists = difference(values, whole(compose(experiment_file(base))))
    said |= {key: lists[key] for key in ("backbones", "models", "methods") if key in lists}
    for _ in range(3):  # a labelled method starts from its own, so what the own changes may have to be said of it too
        said = merge(said, difference(values, _composed(file, said)))
    return said


def _composed(file: Path, said: dict[str, Any]) -> dict[str, Any]:
    try:
        return {key: value for key, value in whole(compose(file, said=said)).items() if key != "experiment"}
    except TTameError:
        return {}


def new(name: str, classifier: Mapping[str, str | None], train: Path, evaluate: Path, force: bool = False) -> str:
    """Write a short experiment that compares the methods on a classifier and a folder of images, and make it active.

    Args:
        name: of the experiment.
        classifier: `model`, `weights` and `head`, as an entry of `models` has them.
        train: folder to train the mechanisms on.
        evaluate: folder to compare the methods on; it may be the same.
        force: whether a file of that name and hand edits of params.yaml may be overwritten.

    Raises:
        TTameError: when a folder is none or holds too few images, or the file is there already.
    """
    file = _new_file(name, force)
    said = {key: value for key, value in classifier.items() if value is not None}
    spoken = said["model"].rpartition(":")[2]
    backbone = "".join(letter if letter.isalnum() or letter in "_+-" else "_" for letter in spoken).lstrip("_+-")
    experiment: dict[str, Any] = {
        "base": "photos",
        "data": {"roots": {"train": str(train), "validation": str(train), "evaluation": str(evaluate)}},
        "backbones": [backbone],
        "models": {backbone: said},
    }
    counts, batch_size = _sizes(train, evaluate)
    if counts:
        experiment["data"]["counts"] = counts
    if batch_size is not None:
        experiment["attention"] = {"every": {"recipe": {"batch_size": batch_size}}}
    _refuse_to_overwrite_edits(force)
    if name == experiment["base"]:
        raise TTameError(f"{file}: is what a new experiment begins from; choose another name")
    compose(file, said=experiment)
    write_text(file, _as_yaml(experiment))
    return f"{file}: written, edit it and `python -m ttame use {name}` again\n{use(name, force=True)}"


def _refuse_to_overwrite_edits(force: bool) -> None:
    edited = None if force else edited_keys()
    if edited is not None:
        shown = ", ".join(edited[:3]) + (f" and {len(edited) - 3} more" if len(edited) > 3 else "")
        raise TTameError(
            f"{PARAMS_FILE}: edited by hand ({shown or 'as a whole'}); keep that with `python -m ttame save NAME`, or "
            "drop it with --force"
        )


def _sizes(train: Path, evaluate: Path) -> tuple[dict[str, int], int | None]:
    """Counts of the splits, and a batch size, where there are fewer images than the usual ones want."""
    from ttame.data.sources import FolderSource

    usual = Settings.model_fields["data"].default.counts.validation
    there_are = len(FolderSource(train).available())
    same = train.resolve() == evaluate.resolve()
    counts = {"evaluation": max(1, there_are // 4)} if same else {}
    left = there_are - counts.get("evaluation", 0)
    if not same:
        FolderSource(evaluate).available()
    if left < 4:
        raise TTameError(f"{train}: {there_are} images are too few to train on; expected 4 at the least")
    if left < 10 * usual:
        counts["validation"] = max(1, left // 10)
    trained_on = left - counts.get("validation", usual)
    return counts, None if trained_on >= 64 else max(2, trained_on // 2)


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise TTameError(
            f"{name[:60]!r} is no name of an experiment; expected letters, digits, _, - and +, the first a letter or "
            "digit"
        ) from None
    if len(name) > 100:
        raise TTameError(f"{name[:60]!r}... is no name of an experiment; expected 100 letters at the most")


def _new_file(name: str, force: bool) -> Path:
    _check_name(name)
    file = EXPERIMENTS / f"{name}.yaml"
    if file.exists() and not force:
        raise TTameError(f"{file}: exists already; choose another name, or overwrite it with --force")
    return file


def _as_yaml(values: dict[str, Any]) -> str:
    # Lists and small mappings in one line each keep an experiment short.
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)
