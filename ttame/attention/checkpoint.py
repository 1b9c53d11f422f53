"""Trained mechanisms on disk: safetensors, with what is needed to refuse the wrong backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ttame.artifacts import atomic_path
from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError

_COUNTS = "training_counts"
_METADATA = "ttame"


def feature_channels(backbone: Backbone) -> list[int]:
    """C of every feature layer of a backbone."""
    rows, columns = backbone.preprocessing.input_size
    parameter = next(backbone.parameters())
    with torch.no_grad():
        image = torch.zeros(1, 3, rows, columns, device=parameter.device)
        _, features = backbone.features(image, backbone.layers)
    axis = 2 if backbone.is_transformer else 1
    return [features[layer].shape[axis] for layer in backbone.layers]


def fits(backbone: Backbone, mechanism: str) -> dict[str, Any]:
    """What a checkpoint states about the backbone it belongs to."""
    return {
        "backbone": backbone.name,
        "mechanism": mechanism,
        "layers": list(backbone.layers),
        "num_classes": backbone.num_classes,
        "channels": feature_channels(backbone),
    }


def save_checkpoint(
    path: Path, network: AttentionMechanism, counts: Tensor, backbone: Backbone, mechanism: str
) -> None:
    """Write a trained mechanism.

    Args:
        path: a `.safetensors` file.
        network: the mechanism.
        counts: (K,) int64, how often each class was a model truth in training.
        backbone: the classifier that it belongs to.
        mechanism: its name in the registry.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    # One metadata key alone: safetensors writes several in an order that changes from run to run.
    metadata = {_METADATA: json.dumps(fits(backbone, mechanism) | {"version": network.version}, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({**state, _COUNTS: counts.cpu()}, temporary, metadata)


def load_checkpoint(path: Path, backbone: Backbone, mechanism: str) -> tuple[AttentionMechanism, Tensor]:
    """The mechanism in eval mode, and the (K,) training counts.

    Raises:
        TTameError: when the file is missing or broken, or was trained for another backbone, other layers or classes.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except FileNotFoundError:
        raise TTameError(
            f"{path}: no such checkpoint; run `python -m ttame train {backbone.name} {mechanism}`"
        ) from None
    except (SafetensorError, OSError) as error:
        raise TTameError(f"{path}: not a checkpoint ({error}); delete it and train again") from None
    _refuse_mismatch(path, metadata, fits(backbone, mechanism))
    network = AttentionMechanism(metadata["channels"], backbone.num_classes, backbone.tokens, metadata["version"])
    counts = tensors.pop(_COUNTS)
    network.load_state_dict(tensors)
    return network.eval(), counts


def _refuse_mismatch(path: Path, stored: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if stored.get(key) != value:
            raise TTameError(f"{path}: trained for {key} {stored.get(key)}, but params.yaml says {value}; train again")
