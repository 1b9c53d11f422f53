"""From a short experiment to the whole of its params.

An experiment is a file `experiments/NAME.yaml` of what differs from its `base`,
another experiment, or from the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ttame.errors import TTameError, suggestion
from ttame.params.auxiliary import auxiliaries
from ttame.params.reading import BY_BACKBONE, merge, parse_settings, read_text, read_yaml
from ttame.params.settings import Settings
from ttame.params.written import Layer

EXPERIMENTS = Path("experiments")

SHIPPED = Path(__file__).parents[1] / "experiments"
"""Experiments that come with the package, for a folder that has none of a name; in the repository the same folder."""


def compose(file: Path, overrides: Sequence[str] = (), said: Mapping[str, Any] | None = None) -> Settings:
    """The settings of an experiment.

    Args:
        file: `experiments/NAME.yaml`; its bases lie beside it, or come with the package.
        overrides: `key=value`, keys dotted and values in YAML, which stand above the file.
        said: what the file says or is about to say; read from it by default.

    Raises:
        TTameError: naming the file and the key, when a file is missing, bases go round in a circle, an override is no
            key, or the result breaks a rule.
    """
    layers = _layers(file, read_experiment(file) if said is None else said)
    params: dict[str, Any] = {}
    for layer in reversed(layers):
        params = merge(params, layer.said)
    params = {"experiment": file.stem} | {key: value for key, value in params.items() if key != "base"}
    own, backbones, above = layers[0].said, params.get("backbones"), dict[str, Any]()
    for override in overrides:
        layers.insert(0, Layer(_one_line(override), _parse_override(override)))
        above = merge(above, layers[0].said)
    params = _without_other_backbones(params, above.get("backbones", backbones))
    settings = parse_settings(merge(params, above), _one_line(" ".join([str(file), *overrides])), layers)
    if isinstance(backbones, list):
        _refuse_backbones_of_nobody(file, own, [str(name) for name in backbones], settings)
    return settings


def experiment_file(name: str, folder: Path = EXPERIMENTS) -> Path:
    """The file of an experiment: of a folder or, where that has none of its name, one that comes with the package."""
    own, shipped = folder / f"{name}.yaml", SHIPPED / f"{name}.yaml"
    return shipped if shipped.exists() and not own.exists() else own


def known_experiments(folder: Path = EXPERIMENTS) -> list[str]:
    """Names of the experiments of a folder and of those that come with the package."""
    return sorted({path.stem for place in (folder, SHIPPED) for path in place.glob("*.yaml")})


def read_experiment(file: Path) -> dict[str, Any]:
    """What one file says by itself.

    Raises:
        TTameError: when it is missing (with near matches), no mapping, or names itself otherwise.
    """
    if not file.exists():
        known = known_experiments(file.parent)
        hint = suggestion(file.stem, known) or f"; there are {', '.join(known) or 'none'}"
        raise TTameError(f"{file}: no such experiment{hint}")
    params = read_yaml(read_text(file), str(file)) or {}
    if not isinstance(params, dict):
        raise TTameError(f"{file}: the file should be keys and values, such as `base: photos`")
    if params.pop("experiment", file.stem) != file.stem:
        raise TTameError(f"{file}: experiment: its name is that of the file, {file.stem}; remove the key")
    return params


def whole(settings: Settings) -> dict[str, Any]:
    """Every key of an experiment, as the engines want params.yaml; what nothing uses is left out."""
    values = settings.model_dump()
    used = {
        "models": dict.fromkeys(
            [*settings.backbones, *(name for name in auxiliaries(settings) if name in settings.models)]
        ),
        "attention": settings.methods.trained,
        "explainers": settings.methods.training_free,
        "measures": ["taken", *settings.measures.taken],
    }
    return values | {section: {name: values[section][name] for name in names} for section, names in used.items()}


def difference(values: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `values` that differs from `base`, mappings compared key by key."""
    found = {}
    for key, value in values.items():
        if key not in base:
            found[key] = value
        elif key not in BY_BACKBONE and isinstance(value, Mapping) and isinstance(base[key], Mapping):
            if inner := difference(value, base[key]):
                found[key] = inner
        elif value != base[key]:
            found[key] = value
    return found


def _layers(file: Path, said: Mapping[str, Any]) -> list[Layer]:
    """What the file and its bases say, itself first."""
    seen, layers = [file], [Layer(str(file), said)]
    while (base := layers[-1].said.get("base")) is not None:
        is_name = isinstance(base, str) and base == Path(base).name
        if not is_name or not (below := experiment_file(base, file.parent)).exists():
            known = [name for name in known_experiments(file.parent) if name not in {path.stem for path in seen}]
            hint = suggestion(str(base), known) or f"; there are {', '.join(known) or 'none'}"
            raise TTameError(f"{seen[-1]}: base: no experiment {base!r} beside it{hint}")
        if below in seen:
            circle = " -> ".join(path.stem for path in [*seen[seen.index(below) :], below])
            raise TTameError(f"{seen[-1]}: base: the bases go round in a circle, {circle}; take one out")
        seen.append(below)
        layers.append(Layer(str(below), read_experiment(below)))
    return layers


def _refuse_backbones_of_nobody(
    file: Path, said: Mapping[str, Any], backbones: Sequence[str], settings: Settings
) -> None:
    """A base may speak of classifiers that an experiment leaves out; those that itself speaks of, it means to use."""
    spoken_of: dict[str, Any] = {"models": said.get("models")}
    for method, section in _sections(said):
        spoken_of[f"attention.{method}.by_backbone"] = section.get("by_backbone")
    for key, section in spoken_of.items():
        known = [*backbones, *(auxiliaries(settings) if key == "models" else ())]
        for name in section if isinstance(section, Mapping) else ():
            if name not in known:
                hint = suggestion(str(name), known) or f"; they are {', '.join(known)}"
                raise TTameError(f"{file}: {key}: {name!r} is not one of backbones{hint}")


def _without_other_backbones(params: Mapping[str, Any], backbones: Any) -> dict[str, Any]:
    """Leave out what the files say under `by_backbone` of classifiers that are none of the experiment's."""
    if not isinstance(backbones, list) or not isinstance(params.get("attention"), Mapping):
        return dict(params)
    attention = dict(params["attention"])
    for method, section in _sections(params):
        if isinstance(changes := section.get("by_backbone"), Mapping):
            left = {name: values for name, values in changes.items() if name in backbones}
            attention[method] = {**section, "by_backbone": left}
    return {**params, "attention": attention}


def _sections(params: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The sections of `attention` that are any."""
    attention = params.get("attention")
    found = attention.items() if isinstance(attention, Mapping) else ()
    return [(str(method), section) for method, section in found if isinstance(section, Mapping)]


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key.strip("."):
        raise TTameError(f"{override!r}: expected key=value, such as metrics.coherency=false")
    nested = read_yaml(value, override)
    for part in reversed(key.split(".")):
        nested = {part: nested}
    return dict(nested)


def _one_line(source: str) -> str:
    return " ".join(source.split())[:200]
