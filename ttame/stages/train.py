"""Stage: train one attention mechanism for one backbone, or import one that its authors trained."""

from __future__ import annotations

import pandas as pd
from lightning_fabric import Fabric

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import TrainedMechanism, save_checkpoint
from ttame.attention.epochs import refuse_too_few, train
from ttame.attention.history import HISTORY
from ttame.attention.preparation import rows_of_warm_start, untrained
from ttame.attention.published import import_checkpoint
from ttame.attention.training import AttentionTraining
from ttame.attention.warm_start import start_from_cam
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import describe, load_backbone
from ttame.data.contents import open_checked
from ttame.data.datalists import read_names
from ttame.data.dataset import ImageDataset
from ttame.errors import TTameError
from ttame.explainers.registry import find, refuse_undefined_pair
from ttame.params.auxiliary import auxiliary_of
from ttame.params.section import Split
from ttame.params.settings import Settings
from ttame.params.specification import specification
from ttame.runtime.processes import open_processes, read_by_first
from ttame.store.artifacts import write_text
from ttame.store.digests import file_digest
from ttame.store.paths import checkpoint_file, contents_file, history_file, list_file, training_speed_file
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone_name: str, method: str, seed: int) -> None:
    """Write the checkpoint, its history (loss terms, learning rate, masked accuracy) and its speed.

    The speed is a measurement, so it lives in a file of its own: the other two are the same bytes on every run.

    Raises:
        TTameError: when the training list is smaller than a step, the loss is no longer finite, or a checkpoint to
            import does not fit.
        NotDefined: when the method is not defined on this classifier.
        Stopped: on SIGINT, SIGTERM and SIGHUP, once the state is saved.
    """
    attention = settings.attention[method].on(backbone_name)
    processes = open_processes(settings.execution, attention.recipe.precision)
    backbone = load_backbone(backbone_name, settings.models[backbone_name]).to(processes.device)
    refuse_undefined_pair(method, backbone.name, backbone.is_transformer)
    if processes.is_global_zero:
        describe(backbone)
    method_training = find(method).training
    assert method_training is not None
    imported = attention.imported(backbone_name, seed)
    if imported is not None:
        if processes.is_global_zero:
            expected = auxiliary_of(settings, backbone_name, method)
            trained = import_checkpoint(imported, backbone, method_training.design, expected)
            _write(settings, backbone, method, seed, trained, pd.DataFrame(columns=HISTORY))
        return
    training = prepare_training(settings, backbone, method, seed, processes)
    if training.auxiliary is not None and processes.is_global_zero:
        describe(training.auxiliary.classifier)
    target = checkpoint_file(settings, backbone_name, method, seed)
    identity = {
        "specification": specification(settings, backbone_name, method),
        "seed": seed,
        "portable": settings.execution.portable,
        "images": [file_digest(contents_file(settings, split)) for split in ("train", "validation")],
    }
    scratch = Scratch(target, identity)
    start(settings, training, method, scratch)
    images = training_images(settings, backbone, method, seed)
    validation = _dataset(settings, backbone, "validation", None)
    execution = settings.execution
    state_file = scratch.path("state.pt")
    train(training, images, validation, execution.workers, state_file, execution.checkpoint_minutes)
    if processes.is_global_zero:
        network, layers = training.network.eval(), list(training.layers)
        trained = TrainedMechanism(network, layers, training.counts.cpu(), training.auxiliary)
        _write(settings, backbone, method, seed, trained, pd.DataFrame(training.history))
        scratch.clear()


def training_images(settings: Settings, backbone: Backbone, method: str, seed: int) -> ImageDataset:
    """The training list, cropped and flipped at random if the recipe says so."""
    recipe = settings.attention[method].on(backbone.name).recipe
    return _dataset(settings, backbone, "train", seed if recipe.augment else None)


def start(settings: Settings, training: AttentionTraining, method: str, scratch: Scratch | None = None) -> None:
    """Set an untrained mechanism to its warm start, if its params say so; a state to go on from is read later.

    Raises:
        TTameError: when the mechanism or the classifier allows none.
    """
    mechanism = settings.attention[method].on(training.backbone.name).mechanism
    if mechanism.warm_start is None:
        return
    found = None if scratch is None else read_by_first(training.processes, lambda: scratch.load(0))
    if found is None:
        images = _dataset(settings, training.backbone, "train", None)
        rows = rows_of_warm_start(training, mechanism.warm_start, images, settings.execution.workers)
        # All processes have those of the first, since a GPU may round a sum differently from time to time.
        found = {"rows": training.processes.broadcast(rows)}
        if scratch is not None and training.processes.is_global_zero:
            scratch.save(0, found)
    start_from_cam(training.network, found["rows"], mechanism.initial_bias or 0.0)


def prepare_training(
    settings: Settings, backbone: Backbone, method: str, seed: int, processes: Fabric
) -> AttentionTraining:
    """An untrained mechanism with all that its first step needs.

    Raises:
        TTameError: when the training list is smaller than a step, a batch cannot be shared by the processes, or the
            auxiliary classifier cannot be had.
    """
    attention = settings.attention[method].on(backbone.name)
    recipe = attention.recipe
    count = len(read_names(list_file(settings, "train")))
    refuse_too_few(count, recipe, method, str(list_file(settings, "train")))
    if recipe.batch_size % processes.world_size:
        raise TTameError(
            f"params.yaml: attention.{method}.recipe.batch_size: {processes.world_size} processes cannot share "
            f"{recipe.batch_size} images evenly; choose a multiple, or other execution.devices and nodes"
        )
    expected = auxiliary_of(settings, backbone.name, method)
    auxiliary = None if expected is None else Auxiliary(expected, backbone)
    method_training = find(method).training
    assert method_training is not None
    return untrained(backbone, method_training, attention, count, seed, processes, auxiliary)


def _dataset(settings: Settings, backbone: Backbone, split: Split, seed: int | None) -> ImageDataset:
    names = read_names(list_file(settings, split))
    source = open_checked(settings.data, split, contents_file(settings, split))
    return ImageDataset(source, names, backbone.preprocessing, seed)


def _write(
    settings: Settings,
    backbone: Backbone,
    method: str,
    seed: int,
    trained: TrainedMechanism,
    history: pd.DataFrame,
) -> None:
    target = checkpoint_file(settings, backbone.name, method, seed)
    results = history.drop(columns="images_per_second")
    write_text(history_file(settings, backbone.name, method, seed), results.to_csv(index=False, float_format="%.6g"))
    speed = training_speed_file(settings, backbone.name, method, seed)
    write_text(speed, history[["epoch", "images_per_second"]].to_csv(index=False, float_format="%.6g"))
    method_training = find(method).training
    assert method_training is not None
    save_checkpoint(target, trained, backbone, method_training.design)
