"""`params.yaml` as typed, validated objects: the only reader of the file.

Importing this module costs no torch, so that Snakemake can validate before it plans.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema
import yaml

from ttame.errors import TTameError, suggestion
from ttame.explainers.registry import in_order
from ttame.params.references import check_references

PARAMS_FILE = Path("params.yaml")
SCHEMA_FILE = Path(__file__).with_name("params.schema.yaml")

Split = Literal["train", "validation", "evaluation"]
SPLITS: tuple[Split, ...] = typing.get_args(Split)


@dataclass(frozen=True)
class DataSettings:
    source: Literal["shapes", "folder", "ilsvrc"]
    seed: int
    roots: dict[str, str | None]
    lists: dict[str, str | None]
    counts: dict[str, int | None]
    model_truths: list[str]


@dataclass(frozen=True)
class ModelSettings:
    model: str
    weights: str
    layers: Literal["auto"] | list[str]
    target_layer: str


@dataclass(frozen=True)
class TransformerMethodSettings:
    backbones: list[str]
    training_free: list[str]
    trained: list[str]


@dataclass(frozen=True)
class MethodSettings:
    training_free: list[str]
    trained: list[str]
    on_transformers: TransformerMethodSettings

    def of(self, backbone: str) -> list[str]:
        """The methods that run on a backbone, in the order of the tables."""
        return in_order([*self.training_free_of(backbone), *self.trained_of(backbone)])

    def training_free_of(self, backbone: str) -> list[str]:
        """Those of them that need no training."""
        more = self.on_transformers.training_free if backbone in self.on_transformers.backbones else []
        return [*self.training_free, *more]

    def trained_of(self, backbone: str) -> list[str]:
        """Those of them that are trained."""
        more = self.on_transformers.trained if backbone in self.on_transformers.backbones else []
        return [*self.trained, *more]

    @property
    def all(self) -> list[str]:
        """Every method of the experiment, in the order of the tables."""
        more = self.on_transformers
        return in_order([*self.training_free, *self.trained, *more.training_free, *more.trained])


@dataclass(frozen=True)
class MechanismSettings:
    feature_layers: Literal["all"] | list[int]
    initial_bias: float | None


@dataclass(frozen=True)
class LossSettings:
    cross_entropy: float
    area: float
    variation: float
    masking: Literal["random", "diagonal", "max"]
    input_policy: Literal["auto", "raw_normalize", "new", "renormalize"]


@dataclass(frozen=True)
class RecipeSettings:
    epochs: int
    batch_size: int
    accumulate: int
    optimiser: Literal["SGD", "Adam", "AdamW", "RMSprop"]
    momentum: float
    weight_decay: float
    bias_rate: float
    sharpness: float
    precision: Literal["auto", "float32"]
    augment: bool
    seed: int


@dataclass(frozen=True)
class AttentionSettings:
    mechanism: MechanismSettings
    loss: LossSettings
    recipe: RecipeSettings
    learning_rate: dict[str, float]
    checkpoints: dict[str, str]


@dataclass(frozen=True)
class RoadSettings:
    shares: list[int]
    noise: float
    seed: int


@dataclass(frozen=True)
class CurveSettings:
    steps: int
    blur: float


@dataclass(frozen=True)
class MetricSettings:
    shares: list[int]
    road: RoadSettings
    insertion_deletion: CurveSettings
    coherency: bool


@dataclass(frozen=True)
class SanitySettings:
    images: int
    depths: list[int]
    seed: int


@dataclass(frozen=True)
class ReportSettings:
    reference: str
    gallery: int
    resamples: int
    seed: int


@dataclass(frozen=True)
class ExecutionSettings:
    device: Literal["auto", "cpu", "cuda"]
    devices: int
    nodes: int
    threads: int
    batch_size: int
    workers: int
    checkpoint_minutes: float
    portable: bool


@dataclass(frozen=True)
class Settings:
    """The active experiment. The schema beside this file describes every key."""

    experiment: str
    data: DataSettings
    backbones: list[str]
    models: dict[str, ModelSettings]
    methods: MethodSettings
    attention: dict[str, AttentionSettings]
    explainers: dict[str, dict[str, Any]]
    metrics: MetricSettings
    sanity: SanitySettings
    report: ReportSettings
    execution: ExecutionSettings

    @property
    def results(self) -> Path:
        """Folder of the experiment's results."""
        return Path("results") / self.experiment


def load_settings(path: Path = PARAMS_FILE) -> Settings:
    """Read and check a params file.

    Raises:
        TTameError: naming the file and the key, when the file is missing, is no YAML, or breaks the schema.
    """
    return parse_settings(_read_yaml(path), str(path))


def parse_settings(params: Any, source: str = "params") -> Settings:
    """Settings from an already read mapping; `source` is the name used in error messages.

    Raises:
        TTameError: as `load_settings`.
    """
    validator = jsonschema.Draft202012Validator(_schema())
    error = jsonschema.exceptions.best_match(validator.iter_errors(params))
    if error is not None:
        raise TTameError(f"{source}: {_explain(error)}")
    settings: Settings = _build(Settings, params)
    check_references(settings, source)
    return settings


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TTameError(f"{path}: no such file; run from the folder that holds it, or give --params FILE") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise TTameError(f"{path}: not valid YAML{where}; mend the syntax there") from None


@cache
def _schema() -> Any:
    return yaml.safe_load(SCHEMA_FILE.read_text(encoding="utf-8"))


def _explain(error: jsonschema.ValidationError) -> str:
    """One line for a broken rule of the schema: the key, what was expected, the nearest known key."""
    key = ".".join(str(part) for part in error.absolute_path) or "the file"
    rule: Any = error.schema
    if error.validator == "additionalProperties":
        known = rule.get("properties", {})
        unknown = next(name for name in _mapping(error.instance) if name not in known)
        expected = f"; expected one of {', '.join(known)}" if known else "; expected no option"
        return f"{key}: unknown key {unknown!r}{suggestion(str(unknown), known) or expected}"
    if error.validator == "required":
        missing = next(name for name in rule["required"] if name not in _mapping(error.instance))
        return f"{key}: the key {missing!r} is missing; add it"
    if error.validator == "contains":
        return f"{key}: {rule['contains']['const']} is missing; add it ({rule['description']})"
    description = rule.get("description")
    meaning = f" ({' '.join(description.split())})" if description else ""
    return f"{key}: {' '.join(error.message.split())}{meaning}"


def _mapping(instance: Any) -> Mapping[str, Any]:
    return dict(instance)


def _build(kind: Any, value: Any) -> Any:
    """A validated value as the annotated type: mappings become dataclasses, all the way down."""
    if isinstance(kind, type) and is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: _build(hints[field.name], value[field.name]) for field in fields(kind)})
    if typing.get_origin(kind) is dict:
        return {key: _build(typing.get_args(kind)[1], item) for key, item in value.items()}
    if kind is float:
        return float(value)
    return dict(value) if isinstance(value, Mapping) and not isinstance(kind, types.UnionType) else value
