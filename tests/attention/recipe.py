"""A small recipe, and the paper's loss, for the trainings of the tests; the same for P-TAME, with what it reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import make_network
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.params.attention import LossSettings, RecipeSettings
from ttame.params.auxiliary import AuxiliarySettings

LOSS = LossSettings()
RECIPE = RecipeSettings(
    epochs=3,
    batch_size=4,
    accumulate=1,
    optimiser="SGD",
    momentum=0.9,
    weight_decay=5e-4,
    bias_rate=1.0,
    sharpness=0.0,
    precision="float32",
    augment=True,
)
P_TAME_LOSS = LossSettings(cross_entropy=0.1313, area=0.8386, variation=0.001, area_power=0.5)
P_TAME_RECIPE = RECIPE.model_copy(update={"optimiser": "AdamW", "amsgrad": True, "weight_decay": 0.1})


def auxiliary_settings(model: str, weights: str = "default", layers: Any = "auto") -> AuxiliarySettings:
    return AuxiliarySettings(name=model, model=model, weights=weights, layers=layers)


def ptame_training(backbone: Backbone, auxiliary: Auxiliary, steps: int = 10) -> AttentionTraining:
    torch.manual_seed(1)
    layers = auxiliary.classifier.layers
    network = make_network(backbone, "ptame", layers, auxiliary).train()
    return AttentionTraining(backbone, network, layers, P_TAME_LOSS, P_TAME_RECIPE, 0.01, steps, auxiliary=auxiliary)


def auxiliary_features(images: Tensor, auxiliary: Auxiliary) -> list[Tensor]:
    """What the embedded auxiliary classifier gives, called part by part on images of 64 pixels."""
    model: Any = auxiliary.classifier.model
    maps = model.stem((functional.interpolate(images, (64, 64), mode="bilinear") - 0.5) / 0.25)
    found = []
    for stage in (model.layer1, model.layer2, model.layer3):
        maps = stage(maps)
        found.append(maps)
    return found
