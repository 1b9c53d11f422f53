"""What decides the maps of a method on a classifier: the keys of the params that this pair reads, and no others."""

from __future__ import annotations

import json
from typing import Any

from ttame.explainers.registry import find
from ttame.params.auxiliary import auxiliary_of
from ttame.params.settings import Settings


def specification(settings: Settings, backbone: str, method: str) -> dict[str, Any]:
    """The keys and the facts of the registry that the maps of a pair depend on.

    Device, batch size and what the tables say of a method are no part of it. A method that is trained reads the feature
    layers, of its auxiliary classifier where it has one; another one the target layer or no layer at all.
    """
    entry, model = find(method), settings.models[backbone]
    found: dict[str, Any] = {"model": model.model, "weights": model.weights, "outputs": model.outputs}
    found["defined_on"] = list(entry.works_on)
    if entry.reads_target_layer:
        found["target_layer"] = model.target_layer
    if entry.training is None:
        options = settings.options(method)
        return found | {"explainer": entry.location, "options": None if options is None else options.model_dump()}
    attention, auxiliary = settings.attention[method].on(backbone), auxiliary_of(settings, backbone, method)
    read = {"layers": model.layers} if auxiliary is None else {"auxiliary": auxiliary.model_dump(exclude={"name"})}
    return found | {
        **read,
        "design": entry.training.design,
        "masks": entry.training.masks,
        "mechanism": attention.mechanism.model_dump(exclude={"auxiliary"}),
        "loss": attention.loss.model_dump(),
        "recipe": attention.recipe.model_dump(),
        "learning_rate": attention.rate_for(backbone),
        "checkpoint": attention.checkpoints.get(backbone),
    }


def specification_text(settings: Settings, backbone: str, method: str) -> str:
    """The same as the specifications stage writes it."""
    return json.dumps(specification(settings, backbone, method), indent=2) + "\n"
