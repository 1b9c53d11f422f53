"""Training a mechanism for a classifier on a folder of images, with the code of the train stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ttame.api.arguments import SECTIONS, naming_arguments, refuse_other_model, refuse_other_number
from ttame.api.explainer import refuse_unknown_method
from ttame.api.mechanism import Mechanism, checkpoint_path
from ttame.api.surroundings import undisturbed
from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import TrainedMechanism
from ttame.attention.epochs import steps_of_epoch
from ttame.attention.epochs import train as run_epochs
from ttame.attention.preparation import rows_of_warm_start, untrained
from ttame.attention.training import AttentionTraining
from ttame.attention.warm_start import start_from_cam
from ttame.backbones.backbone import Backbone
from ttame.data.dataset import ImageDataset
from ttame.data.sources import FolderSource
from ttame.errors import TTameError, reason_of, suggestion
from ttame.explainers.registry import find, refuse_undefined_pair
from ttame.params.attention import AttentionSettings
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.reading import merge
from ttame.params.references import check_on_backbone
from ttame.params.validation import validated
from ttame.params.written import Mistake
from ttame.runtime.processes import one_process

Paths = str | Path | Sequence[str | Path]
"""A folder of images, nested or not, or their files."""


@undisturbed()
def train(
    model: Backbone,
    method: str,
    images: Paths,
    *,
    validation: Paths | None = None,
    epochs: int | None = None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    seed: int = 1,
    device: str | torch.device | None = None,
    workers: int = 0,
    output: str | Path | None = None,
    **options: Any,
) -> Mechanism:
    """Train the attention mechanism of a method.

    Images need no labels: their classes are those that the model gives them. The model stays as it is. Progress goes
    to standard error; nothing is written but `output`.

    Args:
        model: of `ttame.open_model` or `ttame.wrap`, in float32 or float64.
        method: a method that is trained, of `python -m ttame methods`.
        images: a folder, or a list of files; those that fill no batch are left out of an epoch.
        validation: likewise, for the validation columns of the history; None for none.
        epochs: as an option; None for the method's default.
        learning_rate: likewise.
        batch_size: likewise.
        seed: of the initial weights, and of the order and crops of the images; the same seed gives the same mechanism.
        device: where to train, "cuda" say; the model is moved there, and stays. None is where it is.
        workers: processes that decode images; 0 decodes in this one.
        output: a name that ends in `.safetensors`, written at the end; None for `Mechanism.save` later on.
        options: of the network, the loss and the optimisation, by their names in the params, `initial_bias=2.0` say.

    Raises:
        TTameError: for an unknown method or option, with near matches, images that are not there or too few, and a
            loss that is no longer finite.
        NotDefined: when the method is not defined on this classifier.
    """
    refuse_other_model(model)
    refuse_unknown_method(method, trained=True)
    target = None if output is None else checkpoint_path(output, "output")
    said = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    settings = _settings(method, model, {name: value for name, value in said.items() if value is not None} | options)
    if next(model.parameters()).dtype not in (torch.float32, torch.float64):
        raise TTameError(f"model: in {next(model.parameters()).dtype}; training needs float32 or float64")
    with naming_arguments("method"):
        refuse_undefined_pair(method, model.name, model.is_transformer)
    refuse_other_number(seed, "seed", 0)
    refuse_other_number(workers, "workers", 0)
    augmented = _dataset(images, model, "images", seed if settings.recipe.augment else None)
    held_out = None if validation is None else _dataset(validation, model, "validation", None)
    if device is not None:
        _move(model, device)
    with naming_arguments(name=model.name), torch.random.fork_rng(devices=[]):
        training = _prepare(model, method, settings, augmented, seed, workers)
        run_epochs(training, augmented, held_out, workers, None)
    trained = TrainedMechanism(
        training.network.eval(), list(training.layers), training.counts.cpu(), training.auxiliary
    )
    made = find(method).training
    assert made is not None
    mechanism = Mechanism(model, made.design, trained, pd.DataFrame(training.history))
    if target is not None:
        mechanism.save(target)
    return mechanism


def _prepare(
    model: Backbone, method: str, settings: AttentionSettings, images: ImageDataset, seed: int, workers: int
) -> AttentionTraining:
    """The mechanism before its first step."""
    how, mechanism, recipe = find(method).training, settings.mechanism, settings.recipe
    assert how is not None
    if steps_of_epoch(len(images), recipe) == 0:
        step = recipe.batch_size * recipe.accumulate
        raise TTameError(f"images: {len(images)} do not fill a step of {step}; give more, or lower batch_size")
    auxiliary = None
    if mechanism.auxiliary is not None:
        name = mechanism.auxiliary
        with naming_arguments(name=name, classifier="auxiliary"):
            auxiliary = Auxiliary(AuxiliarySettings(name=name, model=name, weights="default", layers="auto"), model)
    processes = one_process(next(model.parameters()).device, recipe.precision)
    training = untrained(model, how, settings, len(images), seed, processes, auxiliary)
    if mechanism.warm_start is not None:
        plain = ImageDataset(images.source, images.names, images.preprocessing)
        rows = rows_of_warm_start(training, mechanism.warm_start, plain, workers)
        start_from_cam(training.network, rows, mechanism.initial_bias or 0.0)
    return training


def _settings(method: str, model: Backbone, options: Mapping[str, Any]) -> AttentionSettings:
    """The method's defaults, and above them what the caller says."""
    places = {name: section for section, kind in SECTIONS.items() for name in kind.model_fields}
    said: dict[str, Any] = {section: {} for section in SECTIONS}
    for name, value in options.items():
        if name == "learning_rate":
            said[name] = value
        elif name in places:
            said[places[name]][name] = value
        else:
            known = ["learning_rate", *places]
            hint = suggestion(name, known) or f"; expected one of {', '.join(known)}"
            raise TTameError(f"{name}: no option of training {method}{hint}")
    how = find(method).training
    assert how is not None
    with naming_arguments():
        settings = validated(AttentionSettings, merge(how.defaults, said), method)
    try:
        check_on_backbone(method, settings, model.name)
    except Mistake as mistake:
        raise TTameError(f"{mistake.place[-1]}: {mistake.problem}") from None
    return settings


def _dataset(images: Paths, model: Backbone, argument: str, seed: int | None) -> ImageDataset:
    if isinstance(images, str | Path):
        folder = Path(images)
        if not folder.is_dir():
            raise TTameError(f"{argument}: {folder}: no such folder; expected a folder of images, or a list of files")
        with naming_arguments(argument):
            source = FolderSource(folder)
            names = [name for name, _ in source.available()]
    else:
        if not isinstance(images, list | tuple) or not all(isinstance(path, str | Path) for path in images):
            raise TTameError(f"{argument}: a {type(images).__name__}; expected a folder of images, or a list of files")
        names = [str(path) for path in images]
        if not names:
            raise TTameError(f"{argument}: there is none; expected a folder of images, or a list of files")
        missing = [name for name in names if not Path(name).is_file()]
        if missing:
            raise TTameError(f"{argument}: {len(missing)} of {len(names)} files are not there, {missing[0]} for one")
        source = FolderSource(Path())
    return ImageDataset(source, names, model.preprocessing, seed)


def _move(model: Backbone, device: str | torch.device) -> None:
    try:
        model.to(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = reason_of(error, most=160)
        raise TTameError(f"device: {device} cannot be had ({reason}); expected 'cpu', 'cuda' or 'cuda:1' say") from None
