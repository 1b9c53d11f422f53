"""Every method on a classifier, the learned ones with mechanisms that nobody trained: what a map costs is the same."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import (
    TrainedMechanism,
    chosen_layers,
    classifier_read,
    make_network,
    save_checkpoint,
)
from ttame.backbones.backbone import Backbone
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.explainers.registry import find, refuse_undefined_pair
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.section import Section
from ttame.params.settings import Settings


def explainer_of(
    method: str, backbone: Backbone, settings: Settings, auxiliary: AuxiliarySettings | None = None
) -> Explainer:
    """A method with the options of an experiment; a mechanism's weights are random, the same on every device.

    Raises:
        NotDefined: when the method cannot explain this classifier.
    """
    refuse_undefined_pair(method, backbone.name, backbone.is_transformer)
    if find(method).training is None:
        options: Section | Mapping[str, object] | None = settings.options(method)
        return make_explainer(method, backbone, options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "untrained.safetensors"
        _save(file, method, backbone, settings, auxiliary)
        return make_explainer(method, backbone, checkpoint=file)


def _save(
    file: Path, method: str, backbone: Backbone, settings: Settings, settings_read: AuxiliarySettings | None
) -> None:
    training = find(method).training
    assert training is not None
    auxiliary = Auxiliary(settings_read, backbone) if training.reads_auxiliary and settings_read is not None else None
    wanted = settings.attention[method].mechanism.feature_layers if method in settings.attention else "all"
    layers = chosen_layers(classifier_read(backbone, auxiliary), wanted)
    torch.manual_seed(0)
    network = make_network(backbone, training.design, layers, auxiliary)
    counts = torch.zeros(backbone.num_classes, dtype=torch.int64)
    save_checkpoint(file, TrainedMechanism(network, layers, counts, auxiliary), backbone, training.design)
