"""The files that classifiers and imported mechanisms are made of, by content.

Their digests are part of what a job reads, for both engines, and of what an artifact says of its origin: a path whose
file holds something else is another classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ttame.params.auxiliary import AuxiliarySettings, auxiliary_of
from ttame.params.model_source import folder_of
from ttame.params.settings import ModelSettings, Settings
from ttame.store.digests import content_digest, is_there

WATCHED = Path("models")
"""DVC cannot depend on a file that only some experiments name, so it depends on this folder."""

NO_PATHS = ("default", "none")
"""Words in the place of a path."""


def files_of_model(model: ModelSettings | AuxiliarySettings) -> dict[str, Path]:
    """The folder of the model, its weights and its head, by their keys, as far as it names some."""
    weights = None if model.weights in NO_PATHS else model.weights
    found = {"model": folder_of(model.model), "weights": weights, "head": model.head}
    return {key: Path(path) for key, path in found.items() if path is not None}


def imported_files(settings: Settings, backbone: str, method: str) -> dict[str, Path]:
    """The checkpoints that are imported instead of training, by seed."""
    if method not in settings.attention:
        return {}
    attention = settings.attention[method]
    found = {str(seed): attention.imported(backbone, seed) for seed in settings.methods.seeds}
    return {seed: path for seed, path in found.items() if path is not None}


def named_files(settings: Settings) -> dict[str, Path]:
    """Every file and folder that the params of an experiment name, by their keys; images and lists aside."""
    found: dict[str, Path] = {}
    for name, model in settings.models.items():
        found |= {f"models.{name}.{key}": path for key, path in files_of_model(model).items()}
    for method in settings.methods.trained:
        for backbone in settings.backbones:
            for seed, path in imported_files(settings, backbone, method).items():
                found[f"attention.{method}.checkpoints.{backbone} (seed {seed})"] = path
            auxiliary = auxiliary_of(settings, backbone, method)
            if auxiliary is not None:
                found |= {f"models.{auxiliary.name}.{key}": path for key, path in files_of_model(auxiliary).items()}
    return found


def digests(files: Mapping[str, Path]) -> dict[str, str]:
    """`<name>_sha256` of every file that is here."""
    return {f"{name}_sha256": content_digest(path) for name, path in files.items() if is_there(path)}
