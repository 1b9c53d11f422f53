"""The params as typed, validated objects: every key with its default, range, unit and meaning.

Importing this module costs no torch, so that the engines can validate before they plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, create_model

from ttame.explainers.entry import Entry
from ttame.explainers.registry import EXPLAINERS, in_order
from ttame.params.attention import AttentionSettings
from ttame.params.data import DataSettings
from ttame.params.evaluation import MetricSettings, ReportSettings, SanitySettings, SensitivitySettings
from ttame.params.measures import MeasureSettings
from ttame.params.section import Count, EachOnce, Name, Section, Seed, Text

COMPARED = ("learned", "gradient", "perturbation", "integrated", "attention")
"""Kinds of methods that are compared when nothing else is said, beside three controls."""
WHERE_NAMED = ("gae", "legrad", "integrated_gradients", "smoothgrad", "ttame_ranked")
"""Methods that are compared where an experiment names them: the paper, which the defaults are of, has none of them."""
MOST_PARTS = 1000
"""Jobs that may share the images of a pair; the engine has to know each of them."""
TRUTHS_PIECE = 4096
"""Images between two states that killed model truths go on from, and the least that a process or a part takes."""


def _compared(entry: Entry, name: str) -> bool:
    is_by_default = entry.kind in COMPARED and name not in WHERE_NAMED
    return is_by_default or name in ("random", "center", "everything_but_one")


class ModelSettings(Section):
    """A classifier to explain."""

    model: Text = Field(
        description="shapes_cnn, shapes_vit, a torchvision or timm model, hf:FOLDER or hf:NAME (transformers), "
        "open_clip:NAME or open_clip:FOLDER, or package.module:function"
    )
    weights: Text = Field(
        "default",
        description="default (the model's published weights, or its folder's), none (random), or the path of a state "
        "dict",
    )
    head: Text | None = Field(
        None,
        description="of an image tower (CLIP, SigLIP), the classes as texts: a file that `python -m ttame text-head` "
        "made; null for a classifier, which has a head of its own",
    )
    layers: Literal["auto"] | Annotated[list[Text], Field(min_length=1), EachOnce] = Field(
        "auto", description="feature layers of the mechanisms: a list, or auto for the rule (docs/your_model.md)"
    )
    target_layer: Text = Field("auto", description="layer that the CAM methods and IIA read, or auto")
    outputs: Literal["logits", "probabilities"] = Field(
        "logits",
        description="what its forward returns; of probabilities, which a softmax at its end gives, the logarithm is "
        "taken as logits",
    )


class MethodSettings(Section):
    """The methods to compare; where one is not defined on a classifier, the tables leave the pair out."""

    training_free: Annotated[list[str], EachOnce] = Field(
        [name for name, entry in EXPLAINERS.items() if not entry.training and _compared(entry, name)],
        description="methods that need no training, see `python -m ttame methods`",
    )
    trained: Annotated[list[str], EachOnce] = Field(
        [name for name, entry in EXPLAINERS.items() if entry.training and _compared(entry, name)],
        description="methods with an attention mechanism to train; a method may stand there several times as "
        "METHOD-LABEL, with other settings under each name",
    )

    seeds: Annotated[list[Seed], Field(min_length=1), EachOnce] = Field(
        [1],
        description="seeds that every trained method is trained with, one mechanism each: of the initial weights and "
        "of the order and crops of the images; with several, tables show the mean and count chance in training",
    )

    @property
    def all(self) -> list[str]:
        """Every method of the experiment, in the order of the tables."""
        return in_order([*self.training_free, *self.trained])

    def seeds_of(self, method: str) -> Sequence[int | None]:
        """Those that a method is trained with; None alone for one that needs no training."""
        return self.seeds if method in self.trained else [None]

    def first_seed_of(self, method: str) -> int | None:
        """The seed whose maps stand for a method in pictures; None for one that needs no training."""
        return self.seeds_of(method)[0]


class ExecutionSettings(Section):
    """Where and how; no part of a result, no stage depends on it."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes CUDA when there is one")
    devices: Count = Field(
        1, description="processes of a node that train one mechanism together, each with a GPU of its own"
    )
    nodes: Count = Field(1, description="nodes that train together; Slurm or torchrun starts the processes")
    threads: int = Field(
        2, ge=1, le=1024, description="CPU threads of one process; Snakemake gives a job these and its workers"
    )
    parts: Literal["auto"] | Annotated[int, Field(ge=1, le=MOST_PARTS)] = Field(
        1,
        description="jobs that share the images of one method's maps, scores or sanity check, or of the model truths; "
        "Snakemake runs them side by side, on a cluster or on the cores of one machine, and the results are those of "
        "one job; auto makes parts of at most an hour by what `python -m ttame plan` last found, or of 5000 images",
    )
    batch_size: Count = Field(32, description="images a forward pass of maps and scores")
    workers: int = Field(0, ge=0, le=256, description="processes that decode images; 0 decodes in the job itself")
    checkpoint_minutes: float = Field(
        10, ge=0, description="minutes between the states that a killed training goes on from"
    )
    portable: bool = Field(
        False,
        description="the same bytes on every x86-64 CPU with AVX2 whoever made it; a transformer takes up to three "
        "quarters more time",
    )


ExplainerOptions: type[Section] = create_model(
    "ExplainerOptions",
    __base__=Section,
    __doc__="Options of the methods that need no training.",
    **cast(
        dict[str, Any],
        {
            name: (entry.options, Field(entry.options(), description=f"options of {entry.title}"))
            for name, entry in EXPLAINERS.items()
            if entry.training is None
        },
    ),
)


class Settings(Section):
    """An experiment: what is computed, and how."""

    experiment: Name = Field(description="name of the experiment; its results are in results/<experiment>/")
    data: DataSettings = Field(DataSettings(), description="which images")
    backbones: Annotated[list[Name], Field(min_length=1), EachOnce] = Field(
        description="names of the classifiers to explain, each with an entry in `models` or a model's own name"
    )
    models: dict[Name, ModelSettings] = Field({}, description="how each classifier is built")
    methods: MethodSettings = Field(MethodSettings(), description="the methods to compare")
    attention: dict[str, AttentionSettings] = Field(
        {},
        description="the trained methods, by name; `ttame-LABEL` is T-TAME once more with other settings, and in "
        "an experiment `every` holds for all of them",
    )
    explainers: ExplainerOptions = Field(ExplainerOptions(), description="options of the methods that need no training")
    metrics: MetricSettings = Field(MetricSettings(), description="how maps are scored")
    measures: MeasureSettings = Field(
        MeasureSettings(), description="measures that need something computed once of every classifier"
    )
    sensitivity: SensitivitySettings = Field(
        SensitivitySettings(), description="how the measures answer to maps that are mixed with noise"
    )
    sanity: SanitySettings = Field(
        SanitySettings(), description="maps of a classifier whose weights are randomised, from the output backwards"
    )
    report: ReportSettings = Field(ReportSettings(), description="the tables and the page")
    execution: ExecutionSettings = Field(
        ExecutionSettings(), description="where and how; no part of a result, no stage depends on it"
    )

    @property
    def results(self) -> Path:
        """Folder of the experiment's results."""
        return Path("results") / self.experiment

    def options(self, method: str) -> Section | None:
        """The options of a method that needs no training; None for one that is trained."""
        return getattr(self.explainers, method, None)
