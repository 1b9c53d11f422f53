"""What decides a classifier, and the maps of a method on it: the keys of the params that are read, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ttame.explainers.registry import find
from ttame.params.auxiliary import auxiliary_of
from ttame.params.contents import digests, files_of_model, imported_files
from ttame.params.settings import Settings


def classifier_specification(settings: Settings, backbone: str) -> dict[str, Any]:
    """The keys that the logits of a classifier depend on, and digests of the files that they name."""
    model = settings.models[backbone]
    found = {"model": model.model, "weights": model.weights, "outputs": model.outputs, "head": model.head}
    return found | digests(files_of_model(model))


def specification(settings: Settings, backbone: str, method: str) -> dict[str, Any]:
    """The keys and the facts of the registry that the maps of a pair depend on, and digests of the files that it names.

    Device, batch size and what the tables say of a method are no part of it. A method that is trained reads the feature
    layers, of its auxiliary classifier where it has one; another one the target layer or no layer at all.
    """
    entry, model = find(method), settings.models[backbone]
    found = classifier_specification(settings, backbone) | {"defined_on": list(entry.works_on)}
    if entry.reads_target_layer:
        found["target_layer"] = model.target_layer
    if entry.training is None:
        options = settings.options(method)
        # An option that is not taken is as if there were none, so that a new one makes nothing stale.
        taken = None if options is None else options.model_dump(exclude_none=True)
        return found | {"explainer": entry.location, "options": taken}
    attention, auxiliary = settings.attention[method].on(backbone), auxiliary_of(settings, backbone, method)
    if auxiliary is None:
        found["layers"] = model.layers
    else:
        found["auxiliary"] = auxiliary.model_dump(exclude={"name"})
        found |= digests({f"auxiliary_{key}": path for key, path in files_of_model(auxiliary).items()})
    imported = imported_files(settings, backbone, method)
    return found | {
        "design": entry.training.design,
        "masks": entry.training.masks,
        "mechanism": attention.mechanism.model_dump(exclude={"auxiliary"}),
        "loss": attention.loss.model_dump(),
        "recipe": attention.recipe.model_dump(),
        "learning_rate": attention.rate_for(backbone),
        "checkpoint": attention.checkpoints.get(backbone),
        **digests({f"checkpoint_{seed}": path for seed, path in imported.items()}),
    }


def as_text(specified: Mapping[str, Any]) -> str:
    """The same as the specifications stage writes it."""
    return json.dumps(specified, indent=2) + "\n"
