"""A classifier to explain, from a module in memory."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from ttame.api.arguments import listed, naming_arguments, refuse_other_number
from ttame.api.models import with_names
from ttame.api.surroundings import undisturbed
from ttame.backbones.backbone import Backbone
from ttame.backbones.checking import check_finite, check_outputs, telling_users_errors
from ttame.backbones.hugging_face import is_hugging_faces, state_tokens_inside, wrap_hugging_face
from ttame.backbones.pretrained_cfg import timm_preprocessing
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of

CROPPED = 0.875
"""The input over the shorter side of the resized photo, as of the usual 224 and 256 pixels."""


@undisturbed()
def wrap(
    module: nn.Module,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    input_size: int | tuple[int, int] | None = None,
    layers: Sequence[str | nn.Module] | None = None,
    target_layer: str | nn.Module | None = None,
    class_names: Sequence[str] | None = None,
    outputs: Literal["logits", "probabilities"] = "logits",
    resize: int | None = None,
    interpolation: Literal["bilinear", "bicubic"] | None = None,
    name: str | None = None,
) -> Backbone:
    """A frozen classifier from a module in memory, on its device and in its precision.

    The module stays as it is: what is explained is a deep copy, since freezing replaces batch norms, makes activations
    work out of place and switches the gradients of weights off. So what is changed in `module` later on is not seen;
    wrap it again. The copy takes as much memory as the module. Hooks are copied by reference: what they write to is
    written to by the copy too.

    Args:
        module: from (B, 3, H, W) normalised images to (B, K) logits, K at least 2, with a gradient; or a model for
            image classification of transformers, whose layers are then called `model.` and their name.
        mean: three numbers, on pixels in [0, 1]. None takes what a model of timm states in `pretrained_cfg`.
        std: likewise.
        input_size: of its images in pixels, (rows, columns) or one number for both; None as for `mean`.
        layers: feature layers of attention mechanisms, their names or themselves, or None for the rule.
        target_layer: the layer that CAM methods and IIA read, its name or itself, or None for the rule.
        class_names: K names, or None.
        outputs: what its forward returns; of probabilities the logarithm is taken.
        resize: shorter side of a photo before the middle is cut out, in pixels; None for 8 / 7 of the input's.
        interpolation: of that resizing, bilinear by default.
        name: what a mechanism that is trained for it belongs to; the name of its class by default.

    Raises:
        TTameError: for arguments that do not fit the module, and a module that cannot be copied or gives no logits.
    """
    if not isinstance(module, nn.Module):
        raise TTameError(
            f"module: a {type(module).__name__}; expected a torch.nn.Module, or use ttame.open_model(name)"
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise TTameError(
            "module: TorchScript has no modules of Python that could be read; expected what it was made of"
        )
    if type(module).__name__ == "OptimizedModule":
        raise TTameError(
            "module: of torch.compile, which hides its layers; expected what it was made of, module._orig_mod"
        )
    like = next(module.parameters(), None)
    if like is None:
        raise TTameError("module: it has no parameters, which would tell its device and precision")
    if like.device.type == "mps":
        raise TTameError("module: on MPS, which has no double precision; expected it on the CPU or CUDA")
    if like.is_inference():
        raise TTameError("module: it was made in torch.inference_mode(), where nothing has a gradient; make it outside")
    if outputs not in ("logits", "probabilities"):
        raise TTameError(f"outputs: {outputs!r}; expected 'logits' or 'probabilities'")
    preprocessing = _preprocessing(module, mean, std, input_size, resize, interpolation)
    chosen, name = None if layers is None else _named(module, layers), name or type(module).__name__
    target_layer = None if target_layer is None else _name(module, target_layer, "target_layer")
    argued = naming_arguments(name=name, classifier="module", target_layer=target_layer)
    with argued:
        check_finite(name, "model", module)
        copied = _copy(module)
        if is_hugging_faces(module):
            copied = wrap_hugging_face(copied, preprocessing)
            known = dict(copied.named_modules())
            chosen = None if chosen is None else [_inside(layer, known) for layer in chosen]
            target_layer = None if target_layer is None else _inside(target_layer, known)
        else:
            state_tokens_inside(copied, preprocessing.input_size)
        rows, columns = preprocessing.input_size
        tried = f"its forward on {like.dtype} images (B, 3, {rows}, {columns})"
        with telling_users_errors("module", tried, copied):
            backbone = Backbone(name, copied, preprocessing, chosen, target_layer, None, outputs).to(like.device)
            check_outputs(backbone, "model", like)
        return with_names(backbone, class_names)


def _named(module: nn.Module, layers: Any) -> list[str]:
    """The names of layers, each of which may be given as itself."""
    if isinstance(layers, list | tuple | nn.ModuleList):
        layers = [_name(module, layer, "layers") if isinstance(layer, nn.Module) else layer for layer in layers]
    names = listed(layers, "layers")
    if not names or len(set(names)) < len(names):
        raise TTameError(f"layers: {names!r:.60}; expected names of one layer or more, each once")
    return names


def _name(module: nn.Module, layer: Any, argument: str) -> str:
    names = [layer] if isinstance(layer, str) else [name for name, part in module.named_modules() if part is layer]
    if not names:
        raise TTameError(
            f"{argument}: a {type(layer).__name__}; expected the name of a layer, or a layer of this module"
        )
    return names[0]


def _inside(layer: str, known: Mapping[str, nn.Module]) -> str:
    """The name of a layer of a model of transformers in the module around it, whichever of the two was given."""
    return layer if layer in known or f"model.{layer}" not in known else f"model.{layer}"


def _copy(module: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except Exception as error:  # whatever its attributes raise
        reason = reason_of(error, most=160)
        raise TTameError(
            f"module: it cannot be copied ({reason}); give a fresh one, without tensors of earlier passes among its "
            "attributes"
        ) from None


def _preprocessing(
    module: nn.Module, mean: Any, std: Any, input_size: Any, resize: Any, interpolation: Any
) -> Preprocessing:
    """What is said, else what a model of timm states, else the usual."""
    stated = _stated(module, needed=None in (mean, std, input_size))
    for argument, value in (("mean", mean), ("std", std), ("input_size", input_size)):
        if value is None and stated is None:
            raise TTameError(f"{argument}: is missing, and the module states none in a pretrained_cfg as timm's do")
    if resize is not None:
        refuse_other_number(resize, "resize", 1)
    if interpolation not in (None, "bilinear", "bicubic"):
        raise TTameError(f"interpolation: {interpolation!r}; expected 'bilinear' or 'bicubic'")
    if stated is not None:
        mean, std = stated.mean if mean is None else mean, stated.std if std is None else std
        resize = stated.resize if resize is None and input_size is None else resize
        interpolation = interpolation or stated.interpolation
        input_size = stated.input_size if input_size is None else input_size
    size, deviations = _size(input_size), _three(std, "std")
    if min(deviations) <= 0:
        raise TTameError(f"std: {deviations}; expected three numbers above 0")
    resize = resize or round(min(size) / CROPPED)
    return Preprocessing(size, resize, interpolation or "bilinear", _three(mean, "mean"), deviations)


def _stated(module: nn.Module, needed: bool) -> Preprocessing | None:
    """What a model of timm states; what is no such statement is in the way only where it is needed."""
    if not getattr(module, "pretrained_cfg", None):
        return None
    try:
        return timm_preprocessing(module, "module")
    except TTameError:
        if needed:
            raise
        return None


def _three(values: Any, argument: str) -> tuple[float, float, float]:
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise TTameError(f"{argument}: {values!r:.60}; expected three numbers, one for each channel") from None
    if not math.isfinite(first + second + third):
        raise TTameError(f"{argument}: {values!r:.60}; expected finite numbers")
    return first, second, third


def _size(size: Any) -> tuple[int, int]:
    rows, columns = size if isinstance(size, tuple | list) and len(size) == 2 else (size, size)
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in (rows, columns)):
        raise TTameError(f"input_size: {size!r:.60}; expected pixels, one number or (rows, columns)")
    return rows, columns
