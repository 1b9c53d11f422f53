"""Any method of the registry made ready for a small classifier, and a batch for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import TrainedMechanism, chosen_layers, classifier_read, make_network, save_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.explainers.registry import EXPLAINERS
from ttame.params.auxiliary import AuxiliarySettings

OPTIONS: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"steps": 10},
    "smoothgrad": {"draws": 10},
    "rise": {"masks": 40, "cells": 4, "keep": 0.5, "scores": "softmax", "seed": 1},
    "iia": {"steps": 2},
}
KINDS = {"cnn": "CNN", "vit": "transformer"}
PAIRS = [(name, method) for name, kind in KINDS.items() for method in EXPLAINERS if kind in EXPLAINERS[method].works_on]


def make_method(method: str, backbone: Backbone, folder: Path) -> Explainer:
    checkpoint = None
    training = EXPLAINERS[method].training
    if training is not None:
        torch.manual_seed(4)
        checkpoint = folder / f"{method}.safetensors"
        auxiliary = _auxiliary(backbone) if training.reads_auxiliary else None
        layers = chosen_layers(classifier_read(backbone, auxiliary), [-1] if training.design == "lcam" else "all")
        network = make_network(backbone, training.design, layers, auxiliary)
        trained = TrainedMechanism(network, layers, torch.arange(backbone.num_classes), auxiliary)
        save_checkpoint(checkpoint, trained, backbone, training.design)
    return make_explainer(method, backbone, OPTIONS.get(method), checkpoint)


def _auxiliary(backbone: Backbone) -> Auxiliary:
    """Of the other kind, with images of another size."""
    model = "shapes_cnn" if backbone.is_transformer else "shapes_vit"
    return Auxiliary(AuxiliarySettings(name=model, model=model, weights="default", layers="auto"), backbone)


def batch_for(backbone: Backbone) -> tuple[Tensor, Tensor, list[Sample]]:
    torch.manual_seed(5)
    rows, columns = backbone.preprocessing.input_size
    images = backbone.normalise(torch.rand(4, 3, rows, columns))
    random = np.random.default_rng(0)
    samples = [Sample(f"{index}.png", random.random((rows, columns)) < 0.2) for index in range(4)]
    return images, torch.tensor([0, 3, 2, 4]), samples
