"""From an entry of `models` in the params to a `Backbone`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ttame.backbones import lite0, shapes
from ttame.backbones.backbone import Backbone
from ttame.backbones.layers import PAPER_LAYERS, PAPER_TARGET_LAYERS
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, suggestion
from ttame.params.settings import ModelSettings

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class _Built:
    model: nn.Module
    preprocessing: Preprocessing
    class_names: list[str] | None = None


def load_backbone(name: str, settings: ModelSettings) -> Backbone:
    """Build and freeze the classifier `name`.

    `model` is tried as an embedded classifier, `package.module:function`, torchvision and timm, in this order.

    Raises:
        TTameError: for an unknown model (with near matches), weights that do not fit, or weights that would have to
            be downloaded while there is no network.
    """
    built = _build(name, settings)
    published = settings.model in PAPER_LAYERS
    layers = settings.layers if settings.layers != "auto" else PAPER_LAYERS.get(settings.model)
    target = PAPER_TARGET_LAYERS.get(settings.model) if published else None
    backbone = Backbone(
        name,
        built.model,
        built.preprocessing,
        layers=list(layers) if layers else None,
        target_layer=settings.target_layer if settings.target_layer != "auto" else target,
        class_names=built.class_names,
    )
    return backbone.to(memory_format=torch.channels_last)


def describe(backbone: Backbone) -> None:
    """Say on standard error which layers are read, since a rule may have chosen them."""
    layers = ", ".join(backbone.layers)
    print(f"{backbone.name}: feature layers {layers}; target layer {backbone.target_layer}", file=sys.stderr)


def _build(name: str, settings: ModelSettings) -> _Built:
    model = settings.model
    if model in shapes.CLASSIFIERS:
        return _embedded(name, settings)
    if ":" in model:
        return _from_function(name, settings)
    import torchvision.models

    if model in torchvision.models.list_models(module=torchvision.models):
        return _from_torchvision(name, settings)
    return _from_timm(name, settings)


def _embedded(name: str, settings: ModelSettings) -> _Built:
    model = shapes.CLASSIFIERS[settings.model]()
    if settings.weights == "default":
        _load_weights(model, shapes.WEIGHTS / f"{settings.model}.safetensors", name)
    elif settings.weights != "none":
        _load_weights(model, Path(settings.weights), name)
    size = (shapes.IMAGE_SIZE, shapes.IMAGE_SIZE)
    preprocessing = Preprocessing(size, shapes.IMAGE_SIZE, "bilinear", shapes.MEAN, shapes.STD)
    return _Built(model, preprocessing, list(shapes.CLASS_NAMES))


def _from_function(name: str, settings: ModelSettings) -> _Built:
    """A model of the user's. It may carry timm's `pretrained_cfg` to state its preprocessing."""
    module_name, _, function_name = settings.model.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        function: Callable[[], Any] = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise TTameError(
            f"models.{name}.model: cannot import {settings.model!r} ({error}); expected package.module:function"
        ) from None
    finally:
        sys.path.pop(0)
    model = function()
    if not isinstance(model, nn.Module):
        raise TTameError(
            f"models.{name}.model: {settings.model} returned a {type(model).__name__}; expected a torch.nn.Module"
        )
    if settings.weights not in ("default", "none"):
        _load_weights(model, Path(settings.weights), name)
    return _Built(model, _timm_preprocessing(model))


def _from_torchvision(name: str, settings: ModelSettings) -> _Built:
    import torchvision.models
    from torchvision.transforms.functional import InterpolationMode

    published = torchvision.models.get_model_weights(settings.model).DEFAULT
    if settings.model in PAPER_LAYERS:
        published = torchvision.models.get_weight(f"{type(published).__name__}.IMAGENET1K_V1")
    wanted = published if settings.weights == "default" else None
    try:
        model: nn.Module = torchvision.models.get_model(settings.model, weights=wanted)
    except OSError as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name
        raise _no_download(name, cache, error) from None
    class_names: list[str] | None = list(published.meta["categories"])
    if settings.weights not in ("default", "none"):
        state = _read_weights(Path(settings.weights), name)
        classes = _count_classes(model, state)
        if classes not in (None, len(published.meta["categories"])):
            model, class_names = torchvision.models.get_model(settings.model, num_classes=classes), None
        _fit_weights(model, state, Path(settings.weights), name)
    presets = published.transforms()
    interpolation = "bicubic" if presets.interpolation == InterpolationMode.BICUBIC else "bilinear"
    crop, resize = presets.crop_size[0], presets.resize_size[0]
    preprocessing = Preprocessing((crop, crop), resize, interpolation, tuple(presets.mean), tuple(presets.std))
    return _Built(model, preprocessing, class_names)


def _from_timm(name: str, settings: ModelSettings) -> _Built:
    import timm

    if not timm.is_model(settings.model):
        import torchvision.models

        known = [*shapes.CLASSIFIERS, *timm.list_models(), *torchvision.models.list_models(module=torchvision.models)]
        hint = suggestion(settings.model, known) or "; see timm.list_models() and torchvision.models.list_models()"
        raise TTameError(f"models.{name}.model: unknown model {settings.model!r}{hint}")
    packaged = lite0.find_weights() if settings.model == lite0.MODEL and settings.weights == "default" else None
    download = settings.weights == "default" and packaged is None
    try:
        model = timm.create_model(settings.model, pretrained=download)
    except (OSError, RuntimeError, ValueError) as error:
        if not download:
            raise
        raise _no_download(name, Path(f"{settings.model}.safetensors"), error) from None
    if packaged is not None:
        lite0.load_weights(model, packaged)
        return _Built(model, lite0.PREPROCESSING, _imagenet_names(model))
    if settings.weights not in ("default", "none"):
        state = _read_weights(Path(settings.weights), name)
        classes = _count_classes(model, state)
        if classes not in (None, model.num_classes):
            model = timm.create_model(settings.model, num_classes=classes)
        _fit_weights(model, state, Path(settings.weights), name)
    return _Built(model, _timm_preprocessing(model), _imagenet_names(model) if download else None)


def _imagenet_names(model: Any) -> list[str] | None:
    """Class names of a model whose published weights are ImageNet's; timm has the order of torchvision."""
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.DEFAULT.meta["categories"]
    return names if len(names) == model.num_classes else None


def _timm_preprocessing(model: nn.Module) -> Preprocessing:
    """What the model states in `pretrained_cfg`; ImageNet's usual values for a model that states nothing."""
    stated = getattr(model, "pretrained_cfg", None) or {}
    rows, columns = stated.get("input_size", (3, 224, 224))[1:]
    return Preprocessing(
        (int(rows), int(columns)),
        round(min(rows, columns) / float(stated.get("crop_pct") or 0.875)),
        "bilinear" if stated.get("interpolation") == "bilinear" else "bicubic",
        tuple(stated.get("mean", IMAGENET_MEAN)),
        tuple(stated.get("std", IMAGENET_STD)),
    )


def _no_download(name: str, file: Path, error: Exception) -> TTameError:
    reason = " ".join(str(error).split())[:120]
    return TTameError(
        f"models.{name}.weights: the published weights could not be downloaded ({reason}); put them at {file} and set "
        f"models.{name}.weights to that path, or use weights: none"
    )


def _load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load a state dict (safetensors, or a torch file of tensors alone), all of it."""
    _fit_weights(model, _read_weights(path, name), path, name)


def _read_weights(path: Path, name: str) -> dict[str, Tensor]:
    key = f"models.{name}.weights"
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        stored = torch.load(path, map_location="cpu", weights_only=True)
        return dict(stored.get("state_dict", stored))
    except FileNotFoundError:
        raise TTameError(f"{key}: {path}: no such file; expected default, none, or a state dict's path") from None
    except Exception as error:  # whatever a broken or malicious file makes its reader raise
        reason = " ".join(str(error).split())[:160]
        raise TTameError(f"{key}: {path}: not a state dict that loads safely ({reason})") from None


def _count_classes(model: nn.Module, state: Mapping[str, Tensor]) -> int | None:
    """Rows of the last linear layer in a state dict, which may have been trained for other classes; None without it."""
    linear = [layer for layer, module in model.named_modules() if isinstance(module, nn.Linear)]
    weight = state.get(f"{linear[-1]}.weight") if linear else None
    return None if weight is None else len(weight)


def _fit_weights(model: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
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
    model.load_state_dict(state)
