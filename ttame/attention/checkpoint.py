"""Trained mechanisms on disk: safetensors, with what is needed to refuse the wrong backbone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ttame.attention.auxiliary import Auxiliary, stated_auxiliary
from ttame.attention.designs import DESIGNS
from ttame.backbones.backbone import Backbone
from ttame.backbones.weights import digest_of_weights
from ttame.errors import TTameError, reason_of
from ttame.params.auxiliary import AuxiliarySettings
from ttame.store.artifacts import atomic_path, reading

_COUNTS = "training_counts"
_METADATA = "ttame"


def chosen_layers(backbone: Backbone, feature_layers: Literal["all"] | Sequence[int]) -> list[str]:
    """The feature layers that a mechanism reads, in execution order.

    Args:
        backbone: the classifier.
        feature_layers: all of its layers, or their places in the list.

    Raises:
        TTameError: for a place that the list does not have.
    """
    layers = backbone.layers
    if feature_layers == "all":
        return list(layers)
    outside = [place for place in feature_layers if not -len(layers) <= place < len(layers)]
    if outside:
        raise TTameError(
            f"mechanism.feature_layers: {backbone.name} has {len(layers)} feature layers and none at {outside[0]}; "
            f"expected 0 to {len(layers) - 1}, or -1 for the last"
        )
    return [layers[place] for place in sorted({place % len(layers) for place in feature_layers})]


def feature_channels(backbone: Backbone, layers: Sequence[str]) -> list[int]:
    """C of every named layer of a backbone."""
    rows, columns = backbone.preprocessing.input_size
    parameter = next(backbone.parameters())
    with torch.no_grad():
        image = parameter.new_zeros(1, 3, rows, columns)
        _, features = backbone.features(image, layers)
    axis = 2 if backbone.is_transformer else 1
    return [features[layer].shape[axis] for layer in layers]


def make_network(
    backbone: Backbone, design: str, layers: Sequence[str], auxiliary: Auxiliary | None = None
) -> nn.Module:
    """An untrained mechanism that reads `layers` of the backbone, or of the auxiliary classifier.

    Raises:
        TTameError: when the design is not defined on this backbone, or the layers are of sizes that it cannot join.
    """
    if auxiliary is not None:
        auxiliary.refuse_odd_sizes(layers)
    read = classifier_read(backbone, auxiliary)
    return DESIGNS[design](feature_channels(read, layers), backbone.num_classes, read.tokens)


def classifier_read(backbone: Backbone, auxiliary: Auxiliary | None) -> Backbone:
    """The classifier whose features a mechanism reads."""
    return backbone if auxiliary is None else auxiliary.classifier


@dataclass(frozen=True)
class TrainedMechanism:
    """A mechanism as its checkpoint has it.

    Attributes:
        network: in eval mode.
        layers: the feature layers that it reads.
        counts: (K,) int64, how often each class was a model truth in training.
        auxiliary: the classifier whose layers these are, or None where they are the explained one's.
    """

    network: nn.Module
    layers: list[str]
    counts: Tensor
    auxiliary: Auxiliary | None = None


def fits(backbone: Backbone, design: str, layers: Sequence[str], auxiliary: Auxiliary | None = None) -> dict[str, Any]:
    """What a checkpoint states about itself and the backbone it belongs to."""
    return {
        "backbone": backbone.name,
        "design": design,
        "layers": list(layers),
        "num_classes": backbone.num_classes,
        "channels": feature_channels(classifier_read(backbone, auxiliary), layers),
    }


def save_checkpoint(path: Path, trained: TrainedMechanism, backbone: Backbone, design: str) -> None:
    """Write a trained mechanism.

    Args:
        path: a `.safetensors` file.
        trained: the mechanism.
        backbone: the classifier that it belongs to.
        design: its key in `DESIGNS`.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in trained.network.state_dict().items()}
    # One metadata key alone: safetensors writes several in an order that changes from run to run.
    auxiliary = trained.auxiliary
    stated = fits(backbone, design, trained.layers, auxiliary)
    digest = _digest(backbone)
    if digest is not None:
        stated["weights"] = digest
    if auxiliary is not None:
        stated["auxiliary"] = auxiliary.stated()
    metadata = {_METADATA: json.dumps(stated, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({**state, _COUNTS: trained.counts.cpu()}, temporary, metadata)


def load_checkpoint(
    path: Path, backbone: Backbone, design: str, expected: AuxiliarySettings | None = None
) -> TrainedMechanism:
    """Read a trained mechanism, and load the auxiliary classifier that it reads, if it does.

    Args:
        path: a `.safetensors` file of `save_checkpoint`.
        backbone: the classifier to explain.
        design: the mechanism's key in `DESIGNS`.
        expected: the auxiliary classifier of the params, or None to take the checkpoint's word.

    Raises:
        TTameError: when the file is missing or broken, or was trained for another backbone, other weights of it,
            another auxiliary classifier, other layers or classes.
    """
    metadata, tensors = _read(path, backbone)
    layers, counts = list(metadata["layers"]), tensors.pop(_COUNTS)
    auxiliary = None
    if "auxiliary" in metadata:
        _refuse_mismatch(path, metadata, {"backbone": backbone.name, "design": design})
        try:
            auxiliary = stated_auxiliary(metadata["auxiliary"], expected, backbone)
        except TTameError as error:
            raise TTameError(f"{path}: {error}") from None
    read = classifier_read(backbone, auxiliary).layers
    if metadata.get("backbone") == backbone.name and not set(layers) <= set(read):
        raise TTameError(f"{path}: trained for layers {layers}, but params.yaml says {list(read)}; train again")
    known = layers if set(layers) <= set(read) else read
    _refuse_mismatch(path, metadata, fits(backbone, design, known, auxiliary))
    _refuse_other_weights(path, metadata, backbone)
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn, and go
        network = make_network(backbone, design, layers, auxiliary)
    try:
        network.load_state_dict(tensors, assign=True)  # in the precision in which it was trained
    except RuntimeError as error:
        reason = reason_of(error, most=200)
        raise TTameError(f"{path}: its tensors do not fit ({reason}); delete it and train again") from None
    if counts.shape != (backbone.num_classes,):
        raise TTameError(f"{path}: counts of {tuple(counts.shape)}, not of {backbone.num_classes} classes; train again")
    return TrainedMechanism(network.eval(), layers, counts, auxiliary)


def stated_design(path: Path, backbone: Backbone) -> str:
    """The key in `DESIGNS` that a checkpoint states, of whatever classifier it is.

    Raises:
        TTameError: when the file is missing or broken, or states none that is known.
    """
    design = str(_read(path, backbone)[0].get("design"))
    if design not in DESIGNS:
        raise TTameError(f"{path}: not a checkpoint (design {design!r}); expected one of {', '.join(DESIGNS)}")
    return design


def _read(path: Path, backbone: Backbone) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a checkpoint states, and its tensors."""
    try:
        with reading(path), safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
        list(metadata["layers"]), tensors[_COUNTS]
    except FileNotFoundError:
        trained = re.sub(r"\.seed(\d+)$", r" --seed \1", path.stem)
        training = f"train {backbone.name} {trained}"
        raise TTameError(f"{path}: no such checkpoint; run `python -m ttame {training}`") from None
    except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise TTameError(f"{path}: not a checkpoint ({error}); delete it and train again") from None
    return metadata, tensors


def _refuse_mismatch(path: Path, stored: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for key, value in expected.items():
        if stored.get(key) != value:
            raise TTameError(f"{path}: trained for {key} {stored.get(key)}, but params.yaml says {value}; train again")


def _digest(backbone: Backbone) -> str | None:
    """Of the classifier's weights; None in half precision, where rounding has changed them."""
    precise = next(backbone.parameters()).dtype in (torch.float32, torch.float64)
    return digest_of_weights(backbone.model) if precise else None


def _refuse_other_weights(path: Path, stored: Mapping[str, Any], backbone: Backbone) -> None:
    """Of a checkpoint from before they were stated nothing is known."""
    stated = stored.get("weights")
    digest = None if stated is None else _digest(backbone)
    if digest is not None and stated != digest:
        raise TTameError(
            f"{path}: trained for other weights of {backbone.name} than there are now; train again, or bring them back"
        )
