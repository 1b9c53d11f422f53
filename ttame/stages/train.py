"""Stage: train one attention mechanism for one backbone."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import torch

from ttame.artifacts import write_text
from ttame.attention.checkpoint import TrainedMechanism, chosen_layers, make_network, save_checkpoint
from ttame.attention.designs import start_at
from ttame.attention.training import AttentionTraining, train
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import describe, load_backbone
from ttame.data.datalists import read_names
from ttame.data.dataset import ImageDataset
from ttame.data.sources import open_source
from ttame.device import select_device
from ttame.errors import TTameError
from ttame.explainers.registry import find
from ttame.scratch import Scratch, file_digest
from ttame.settings import Settings, Split
from ttame.stages.paths import checkpoint_file, contents_file, list_file, training_speed_file


def run(settings: Settings, backbone_name: str, method: str) -> None:
    """Write the checkpoint, its history (loss terms, learning rate, masked accuracy) and its speed.

    The speed is a measurement, so it lives in a file of its own: the other two are the same bytes on every run.

    Raises:
        TTameError: when the training list is smaller than a batch, or the loss is no longer finite.
    """
    device = select_device(settings.execution)
    backbone = load_backbone(backbone_name, settings.models[backbone_name]).to(device)
    describe(backbone)
    attention = settings.attention[method]
    recipe = attention.recipe
    images = _dataset(settings, backbone, "train", recipe.seed if recipe.augment else None)
    if len(images) < recipe.batch_size:
        raise TTameError(
            f"{list_file(settings, 'train')}: {len(images)} images do not fill a batch of {recipe.batch_size}; "
            f"lower attention.{method}.recipe.batch_size or raise data.counts.train"
        )
    layers = chosen_layers(backbone, attention.mechanism.feature_layers)
    training_of = find(method).training
    assert training_of is not None
    torch.manual_seed(recipe.seed)
    network = make_network(backbone, training_of.design, layers).to(device)
    if attention.mechanism.initial_bias is not None:
        start_at(network, attention.mechanism.initial_bias)
    steps = recipe.epochs * (len(images) // recipe.batch_size)
    rate = attention.learning_rate[backbone_name]
    training = AttentionTraining(backbone, network, layers, attention.loss, recipe, rate, steps, training_of.masks)
    target = checkpoint_file(settings, backbone_name, method)
    identity = {
        "model": asdict(settings.models[backbone_name]),
        "attention": asdict(attention),
        "images": [file_digest(contents_file(settings, split)) for split in ("train", "validation")],
    }
    scratch = Scratch(target, identity)
    validation = _dataset(settings, backbone, "validation", None)
    train(training, images, validation, recipe, settings.execution.workers, scratch.path("epoch.pt"))
    _write_history(settings, backbone_name, method, training)
    save_checkpoint(target, TrainedMechanism(network.eval(), layers, training.counts), backbone, training_of.design)
    scratch.clear()


def _dataset(settings: Settings, backbone: Backbone, split: Split, seed: int | None) -> ImageDataset:
    names = read_names(list_file(settings, split))
    return ImageDataset(open_source(settings.data, split), names, backbone.preprocessing, seed)


def _write_history(settings: Settings, backbone: str, method: str, training: AttentionTraining) -> None:
    history = pd.DataFrame(training.history)
    results = checkpoint_file(settings, backbone, method).with_suffix(".history.csv")
    write_text(results, history.drop(columns="images_per_second").to_csv(index=False, float_format="%.6g"))
    speed = training_speed_file(settings, backbone, method)
    write_text(speed, history[["epoch", "images_per_second"]].to_csv(index=False, float_format="%.6g"))
