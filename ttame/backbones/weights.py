"""Weights of a classifier from a file of the user's: tensors alone, never code."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ttame.errors import TTameError, reason_of


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load a state dict (safetensors, or a torch file of tensors alone), all of it."""
    fit_weights(model, read_weights(path, name), path, name)


def read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """The tensors of a weights file by name.

    Raises:
        TTameError: for a file that is missing, broken, or holds anything but tensors.
    """
    key = f"models.{name}.weights"
    if path.is_dir():
        raise TTameError(f"{key}: {path} is a folder; expected default, none, or a state dict's path")
    if path.is_file() and path.stat().st_size == 0:
        raise TTameError(f"{key}: {path}: the file is empty; expected default, none, or a state dict's path")
    try:
        if path.suffix == ".safetensors":
            return _tensors(load_file(path))
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return _tensors(stored)
    except FileNotFoundError:
        raise TTameError(f"{key}: {path}: no such file; expected default, none, or a state dict's path") from None
    except pickle.UnpicklingError as error:
        raise TTameError(
            f"{key}: {path}: not a state dict that loads safely ({reason_of(error, most=80)}); a whole "
            "model was pickled? Save its tensors instead: torch.save(model.state_dict(), path)"
        ) from None
    except Exception as error:  # whatever a broken or malicious file makes its reader raise
        reason = reason_of(error, most=160)
        raise TTameError(f"{key}: {path}: not a state dict that loads safely ({reason})") from None


def _tensors(stored: Any) -> dict[str, Tensor]:
    """The tensors of a stored state dict, out of what trainers put around it and before its names."""
    for around in ("state_dict", "model_state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(around), dict):
            stored = stored[around]
    if not isinstance(stored, dict) or not stored or not all(isinstance(part, Tensor) for part in stored.values()):
        raise TypeError("expected a dict from names to tensors")
    tensors = dict(stored)
    for prefix in ("_orig_mod.", "module.", "_orig_mod."):
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def count_classes(model: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """Rows of the last linear layer in a state dict, which may have been trained for other classes; None without it."""
    linear = [layer for layer, module in model.named_modules() if isinstance(module, nn.Linear)]
    weight = state.get(f"{linear[-1]}.weight") if linear else None
    return None if weight is None else len(weight)


def fit_weights(model: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Load `state` into `model`, all of it.

    Raises:
        TTameError: when names or shapes differ.
    """
    expected = model.state_dict()
    wrong = sorted(
        key
        for key in expected.keys() | state.keys()
        if key not in expected or key not in state or expected[key].shape != state[key].shape
    )
    if wrong:
        raise TTameError(
            f"models.{name}.weights: {path}: {len(wrong)} of its tensors do not fit the model, {wrong[0]!r} for one; "
            "expected the state dict of this very architecture"
        )
    whole = [key for key in expected if expected[key].is_floating_point() and not state[key].is_floating_point()]
    if whole:
        raise TTameError(
            f"models.{name}.weights: {path}: the tensor {whole[0]!r} is {state[whole[0]].dtype}; expected "
            "floating-point numbers (quantised weights must be converted back first)"
        )
    model.load_state_dict(state)


def digest_of_weights(model: nn.Module) -> str:
    """Of all weights in single precision, wherever they are: 16 hexadecimal digits."""
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(name.encode() + tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
