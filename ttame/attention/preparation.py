"""An untrained mechanism with all that its first step needs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import chosen_layers, classifier_read, make_network
from ttame.attention.designs import start_at
from ttame.attention.epochs import pixels_of, steps_of_epoch
from ttame.attention.training import AttentionTraining
from ttame.attention.warm_start import class_rows, scale_of_range
from ttame.backbones.backbone import Backbone
from ttame.data.dataset import ImageDataset, in_order, load_batches
from ttame.explainers.entry import Training
from ttame.params.attention import AttentionSettings, WarmStart


def untrained(
    backbone: Backbone,
    how: Training,
    settings: AttentionSettings,
    images: int,
    seed: int,
    processes: Fabric,
    auxiliary: Auxiliary | None = None,
) -> AttentionTraining:
    """A training before its first step; a warm start comes after it.

    Args:
        backbone: the classifier to explain.
        how: what the registry says of the method.
        settings: of the method on this classifier; they have to allow one step.
        images: in the training list.
        seed: of the initial weights, and of the order and crops of the images. It is set for the process's CPU.
        processes: those that train together.
        auxiliary: the classifier whose layers the mechanism reads; by default the explained one itself.

    Raises:
        TTameError: when the design is not defined on this classifier or these layers.
    """
    layers = chosen_layers(classifier_read(backbone, auxiliary), settings.mechanism.feature_layers)
    torch.default_generator.manual_seed(seed)  # of the CPU, where networks are made: nothing is drawn elsewhere
    network = make_network(backbone, how.design, layers, auxiliary).to(next(backbone.parameters()))
    if settings.mechanism.initial_bias is not None:
        start_at(network, settings.mechanism.initial_bias)
    recipe, rate = settings.recipe, settings.rate_for(backbone.name)
    steps = recipe.epochs * steps_of_epoch(images, recipe)
    return AttentionTraining(
        backbone, network, layers, settings.loss, recipe, rate, steps, how.masks, processes, auxiliary, seed
    )


def rows_of_warm_start(training: AttentionTraining, settings: WarmStart, images: ImageDataset, workers: int) -> Tensor:
    """(K, C) weights of class activation maps, times the scale of the maps; see `ttame.attention.warm_start`.

    Args:
        training: an untrained mechanism.
        settings: how many images tell, and the scale or the range that it is found by.
        images: the training list, not augmented.
        workers: processes that decode.

    Raises:
        TTameError: when the classifier has no gradient at the last feature layer.
    """
    backbone, layer = training.backbone, training.layers[-1]
    batches = in_order(min(settings.images, len(images)), training.recipe.batch_size)

    def stream() -> Iterator[Tensor]:
        for batch in load_batches(images, batches, workers, training.processes.device):
            yield pixels_of(training, batch)

    rows = class_rows(backbone, layer, stream())
    if settings.scale != "auto":
        return settings.scale * rows
    return scale_of_range(backbone, layer, rows, stream(), settings.range) * rows
