"""Checkpoints of the authors' code (Lightning files of T-TAME and L-CAM), read into our mechanisms."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from torch import Tensor, nn

from ttame.attention.checkpoint import TrainedMechanism, feature_channels, load_checkpoint, make_network
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError, reason_of
from ttame.params.auxiliary import AuxiliarySettings

UNKNOWN_COUNT = -1
"""How often a class was seen in training is not told by a published checkpoint."""

_MECHANISM, _CLASSIFIER = "generic.attn_mech.", "generic.body."
DESIGNS_BY_VERSION = {
    "TAME": "tame",
    "TTAME": "ttame",
    "Noskipconnection": "no_skip",
    "NoskipNobatchnorm": "no_skip_no_norm",
    "Sigmoidinfeaturebranch": "sigmoid_branches",
    "TAttentionV1": "tattention_v1",
    "TAttentionV1_1": "tattention_v1_1",
    "TAttentionV1_2": "tattention_v1_2",
    "TAttentionV2": "tattention_v2",
    "TAttentionV2_1": "tattention_v2_1",
    "TAttentionV2_2": "tattention_v2_2",
    "TAttentionV3": "tattention_v3",
}
"""Our designs by the name that the stored hyper-parameters give them (`attention_version`)."""


def import_checkpoint(
    path: Path, backbone: Backbone, design: str, auxiliary: AuxiliarySettings | None = None
) -> TrainedMechanism:
    """Read a published checkpoint, or one of ours.

    What differs between the classifier in the checkpoint and `backbone` is said on standard error: the published code
    could let the batch statistics of the frozen classifier drift, and then its numbers are another classifier's.

    Args:
        path: a Lightning checkpoint, or a `.safetensors` file of `save_checkpoint`.
        backbone: the classifier that it belongs to.
        design: what the method's mechanism has to be, a key of `DESIGNS`.
        auxiliary: the auxiliary classifier of the params, or None to take the checkpoint's word.

    Raises:
        TTameError: when the file is missing, broken, or holds more than tensors and plain values, or when the mechanism
            is another design's, for other layers, or for another number of classes.
    """
    if path.suffix == ".safetensors":
        return load_checkpoint(path, backbone, design, auxiliary)
    if design == "ptame":
        raise TTameError(f"{path}: published checkpoints of P-TAME are not read; train it, or give a .safetensors file")
    stored = _read(path)
    state = _tensors(path, stored.get("state_dict", stored))
    told = _told(path, stored)
    design_told = design_of(told, backbone)
    if design_told not in (None, design):
        raise TTameError(
            f"{path}: holds a mechanism of the design {design_told}, but {design} is asked for; import it so"
        )
    layers = _layers(path, told, backbone, design)
    network = make_network(backbone, design, layers)
    mechanism = _lcam(path, state, backbone, layers) if design == "lcam" else _mechanism(path, state)
    _load(path, network, mechanism, backbone)
    _compare_classifier(path, state, backbone)
    counts = torch.full((backbone.num_classes,), UNKNOWN_COUNT, dtype=torch.int64)
    return TrainedMechanism(network.eval(), layers, counts)


def read_hyper_parameters(path: Path) -> dict[str, Any]:
    """What a published checkpoint tells of its training; empty when it tells nothing.

    Raises:
        TTameError: when the file is missing, broken, or holds more than tensors and plain values.
    """
    return _told(path, _read(path))


def _told(path: Path, stored: Mapping[str, Any]) -> dict[str, Any]:
    told = stored.get("hyper_parameters") or {}
    layers = told.get("layers", []) if isinstance(told, Mapping) else None
    if not isinstance(layers, list | tuple) or not all(isinstance(layer, str) for layer in layers):
        raise TTameError(
            f"{path}: odd hyper_parameters; expected a mapping, with `layers` a list of names if it is there"
        )
    return {str(key): value for key, value in told.items()}


def design_of(hyper_parameters: Mapping[str, Any], backbone: Backbone) -> str | None:
    """The design that the hyper-parameters name, or None. On a CNN TAME and T-TAME are the same network."""
    design = DESIGNS_BY_VERSION.get(str(hyper_parameters.get("attention_version")))
    return "ttame" if design == "tame" and not backbone.is_transformer else design


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TTameError(f"{path}: no such checkpoint; mend the path") from None
    except pickle.UnpicklingError as error:
        reason = " ".join(str(error).split())
        reason = reason.partition("WeightsUnpickler error: ")[2] or reason
        raise TTameError(
            f"{path}: not loaded, since it holds more than tensors and plain values and that could run code "
            f"({reason[:120]}); expected a Lightning checkpoint"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, BadZipFile) as error:
        reason = reason_of(error, most=120)
        raise TTameError(f"{path}: broken or truncated ({reason}); download it again") from None
    if not isinstance(stored, dict):
        raise TTameError(f"{path}: holds a {type(stored).__name__}; expected a Lightning checkpoint")
    return stored


def _tensors(path: Path, state: Any) -> dict[str, Tensor]:
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise TTameError(f"{path}: has no state_dict of tensors; expected a Lightning checkpoint")
    return dict(state)


def _layers(path: Path, told: Mapping[str, Any], backbone: Backbone, design: str) -> list[str]:
    """The feature layers that the checkpoint was trained for, in execution order, by the names of our backbone."""
    if "layers" not in told:
        return list(backbone.layers[-1:] if design == "lcam" else backbone.layers)
    # The authors name a block's first LayerNorm `ln`, as torchvision's graph does.
    named = [layer + "_1" if layer.endswith(".ln") else layer for layer in told["layers"]]
    if not set(named) <= set(backbone.layers):
        raise TTameError(
            f"{path}: trained for layers {', '.join(named)}, but {backbone.name} has {', '.join(backbone.layers)}; set "
            f"models.{backbone.name}.layers to the former"
        )
    return [layer for layer in backbone.layers if layer in named]


def _mechanism(path: Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name.removeprefix(_MECHANISM): value for name, value in state.items() if name.startswith(_MECHANISM)}
    if not found:
        raise TTameError(
            f"{path}: no tensor of an attention mechanism, whose names start with {_MECHANISM}; expected a "
            "checkpoint of T-TAME"
        )
    # Where tokens are laid out first, the mechanism is the second of a sequence.
    found = {name.removeprefix("1."): value for name, value in found.items()}
    # TAttention V3 keeps a second norm per branch that nothing uses.
    return {name: value for name, value in found.items() if not name.startswith("lns_2.")}


def _lcam(path: Path, state: Mapping[str, Tensor], backbone: Backbone, layers: Sequence[str]) -> dict[str, Tensor]:
    """L-CAM's only convolution: found by its shape, since its name differs between the publications."""
    shape = (backbone.num_classes, *feature_channels(backbone, layers), 1, 1)
    weights = [name for name, value in state.items() if tuple(value.shape) == shape]
    weights = [name for name in weights if name.removesuffix("weight") + "bias" in state]
    if len(weights) != 1:
        raise TTameError(
            f"{path}: {len(weights)} convolutions of shape {shape} with a bias; expected the one of L-CAM on "
            f"{backbone.name}, layer {layers[-1]}"
        )
    return {"fuser.weight": state[weights[0]], "fuser.bias": state[weights[0].removesuffix("weight") + "bias"]}


def _load(path: Path, network: nn.Module, mechanism: dict[str, Tensor], backbone: Backbone) -> None:
    expected = network.state_dict()
    wrong = sorted(
        name
        for name in expected.keys() | mechanism.keys()
        if name not in expected or name not in mechanism or expected[name].shape != mechanism[name].shape
    )
    if wrong:
        name = wrong[0]
        shapes = [tuple(where[name].shape) if name in where else "absent" for where in (mechanism, expected)]
        raise TTameError(
            f"{path}: {len(wrong)} tensors do not fit the mechanism of {backbone.name} with its layers and "
            f"{backbone.num_classes} classes; {name} is {shapes[0]}, expected {shapes[1]}"
        )
    network.load_state_dict(mechanism)


def _compare_classifier(path: Path, state: Mapping[str, Tensor], backbone: Backbone) -> None:
    """Say on standard error where the classifier in the checkpoint is another one than `backbone`."""
    stored = {name.removeprefix(_CLASSIFIER): value for name, value in state.items() if name.startswith(_CLASSIFIER)}
    differences = {}
    for name, ours in backbone.model.state_dict().items():
        theirs = stored.get(name)
        if theirs is None or theirs.shape != ours.shape:
            continue
        difference = (theirs.to(ours) - ours).abs().max().item()
        if difference > 1e-6 * max(1.0, ours.abs().max().item()):
            differences[name] = difference
    if differences:
        worst = max(differences, key=lambda name: differences[name])
        print(
            f"warning: {path}: its classifier differs from {backbone.name} in {len(differences)} tensors, {worst} "
            f"by up to {differences[worst]:.2g}; maps and scores are of {backbone.name}, so published numbers differ",
            file=sys.stderr,
        )
    elif not stored:
        print(f"warning: {path}: holds no classifier to compare with {backbone.name}", file=sys.stderr)
