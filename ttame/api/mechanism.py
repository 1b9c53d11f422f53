"""Trained mechanisms in memory and in files."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from torch import Tensor

from ttame.api.arguments import naming_arguments, refuse_other_model
from ttame.api.surroundings import undisturbed
from ttame.attention.checkpoint import TrainedMechanism, load_checkpoint, save_checkpoint, stated_design
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError

ENDING = ".safetensors"


@dataclass(frozen=True, repr=False, eq=False)
class Mechanism:
    """An attention mechanism that was trained for a classifier.

    Attributes:
        model: the classifier that it belongs to.
        design: its kind, a key of `ttame.attention.designs.DESIGNS`.
        trained: the network, the layers that it reads, and how often each class was a model truth in training.
        history: a row an epoch, loss terms and masked accuracy of training and validation; empty for one from a file.
    """

    model: Backbone
    design: str
    trained: TrainedMechanism
    history: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def training_counts(self) -> Tensor:
        """(K,) int64, how often each class was a model truth in training; the maps of one with 0 are untrained."""
        return self.trained.counts

    def save(self, path: str | Path) -> None:
        """Write the checkpoint, as the pipeline's train stage does.

        Args:
            path: a name that ends in `.safetensors`.

        Raises:
            TTameError: when it cannot be written there.
        """
        target = checkpoint_path(path, "path")
        try:
            save_checkpoint(target, self.trained, self.model, self.design)
        except OSError as error:
            raise TTameError(f"path: {target}: cannot be written ({error.strerror or error})") from None

    def trained_copy(self) -> TrainedMechanism:
        """One of its own for who moves it to another device or precision."""
        auxiliary = None if self.trained.auxiliary is None else self.trained.auxiliary.copied()
        return replace(self.trained, network=copy.deepcopy(self.trained.network), auxiliary=auxiliary)

    def __repr__(self) -> str:
        counts, layers = self.trained.counts, ", ".join(self.trained.layers)
        seen = f"{int((counts > 0).sum())} of {len(counts)} classes seen in training"
        return f"Mechanism {self.design} for {self.model.name}: reads {layers}; {seen}"


@undisturbed()
def load_mechanism(path: str | Path, model: Backbone) -> Mechanism:
    """A mechanism from a file of `Mechanism.save` or of the pipeline's train stage.

    Args:
        path: a `.safetensors` file.
        model: the classifier that it was trained for, under the same name.

    Raises:
        TTameError: for a file that is missing or broken, and one of another classifier, layers or classes.
    """
    refuse_other_model(model)
    return _read(path, model, "path")


def mechanism_for(checkpoint: str | Path | Mechanism, model: Backbone, design: str) -> Mechanism:
    """What a caller gives as the checkpoint of a method with this design.

    Raises:
        TTameError: when it is of another design or classifier, or a file that is missing or broken.
    """
    if not isinstance(checkpoint, Mechanism):
        return _read(checkpoint, model, "checkpoint", design)
    if checkpoint.design != design:
        raise TTameError(f"checkpoint: a mechanism of design {checkpoint.design}; this method reads one of {design}")
    if checkpoint.model is not model:
        raise TTameError(
            f"checkpoint: trained for another classifier than this {model.name}; if it is the same once more, save the "
            "mechanism and name its file"
        )
    return checkpoint


def checkpoint_path(path: str | Path, argument: str) -> Path:
    """Where a checkpoint can be written.

    Raises:
        TTameError: when it is a folder, or a name without the ending.
    """
    if not isinstance(path, str | Path):
        raise TTameError(f"{argument}: a {type(path).__name__}; expected the name of a file that ends in {ENDING}")
    target = Path(path)
    if target.suffix != ENDING or target.is_dir():
        raise TTameError(f"{argument}: {target}; expected the name of a file that ends in {ENDING}")
    return target


def _read(path: str | Path, model: Backbone, argument: str, design: str | None = None) -> Mechanism:
    if not isinstance(path, str | Path):
        raise TTameError(f"{argument}: a {type(path).__name__}; expected a mechanism or the path of a {ENDING} file")
    file = Path(path)
    if not file.is_file():
        raise TTameError(
            f"{argument}: {file}: no such file; expected a mechanism of ttame.train or the path of its file"
        )
    with naming_arguments(argument):
        chosen = design or stated_design(file, model)
        return Mechanism(model, chosen, load_checkpoint(file, model, chosen))
