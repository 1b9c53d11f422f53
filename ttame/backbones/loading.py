"""From an entry of `models` in the params to a `Backbone`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ttame.backbones import lite0, shapes
from ttame.backbones.backbone import Backbone
from ttame.backbones.built import Built
from ttame.backbones.checking import check_finite, check_outputs, telling_users_errors
from ttame.backbones.downloading import reachable_hub, stalling_for_seconds
from ttame.backbones.hugging_face import from_hugging_face
from ttame.backbones.layers import PAPER_LAYERS, PAPER_TARGET_LAYERS
from ttame.backbones.own_function import from_function
from ttame.backbones.pretrained_cfg import timm_preprocessing
from ttame.backbones.weights import count_classes, fit_weights, load_weights, read_weights
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError, reason_of, suggestion
from ttame.params.model_source import HUGGING_FACE, OPEN_CLIP, is_function, mistake_of_head, split_library
from ttame.params.settings import ModelSettings


def load_backbone(name: str, settings: ModelSettings) -> Backbone:
    """Build and freeze the classifier `name`.

    `model` is tried as an embedded classifier, one of transformers (`hf:`) or open_clip, `package.module:function`,
    torchvision and timm, in this order.

    Raises:
        TTameError: for an unknown model (with near matches), weights that do not fit, or weights that would have to
            be downloaded while there is no network.
    """
    built = _build(name, settings)
    published = settings.model in PAPER_LAYERS
    layers = settings.layers if settings.layers != "auto" else PAPER_LAYERS.get(settings.model)
    target = PAPER_TARGET_LAYERS.get(settings.model) if published else None
    own_code, own_weights = ":" in settings.model, settings.weights not in ("default", "none")
    if own_code or own_weights:
        check_finite(name, "weights" if own_weights else "model", built.model)
    rows, columns = built.preprocessing.input_size
    tried = f"{settings.model}: its forward on float32 images (B, 3, {rows}, {columns})"
    with telling_users_errors(f"models.{name}.model", tried, built.model) if own_code else nullcontext():
        backbone = Backbone(
            name,
            built.model,
            built.preprocessing,
            layers=list(layers) if layers else None,
            target_layer=settings.target_layer if settings.target_layer != "auto" else target,
            class_names=built.class_names,
            outputs=settings.outputs,
        )
        stated = (settings.layers, settings.target_layer, settings.outputs) != ("auto", "auto", "logits")
        if own_code or stated:
            check_outputs(backbone, "model")
    return backbone.to(memory_format=torch.channels_last)


def describe(backbone: Backbone) -> None:
    """Say on standard error which layers are read, since a rule may have chosen them."""
    layers = ", ".join(backbone.layers)
    print(f"{backbone.name}: feature layers {layers}; target layer {backbone.target_layer}", file=sys.stderr)


def _build(name: str, settings: ModelSettings) -> Built:
    model = settings.model
    if (problem := mistake_of_head(model, settings.head)) is not None:
        raise TTameError(f"models.{name}.head: {problem}")
    if model in shapes.CLASSIFIERS:
        return _embedded(name, settings)
    library, _ = split_library(model)
    if library == HUGGING_FACE:
        return from_hugging_face(name, settings)
    if library == OPEN_CLIP:
        from ttame.backbones.open_clip_towers import from_open_clip

        return from_open_clip(name, settings)
    if is_function(model):
        return from_function(name, settings)
    import torchvision.models

    if model in torchvision.models.list_models(module=torchvision.models):
        return _from_torchvision(name, settings)
    return _from_timm(name, settings)


def _embedded(name: str, settings: ModelSettings) -> Built:
    model = shapes.CLASSIFIERS[settings.model]()
    if settings.weights == "default":
        load_weights(model, shapes.WEIGHTS / f"{settings.model}.safetensors", name)
    elif settings.weights != "none":
        load_weights(model, Path(settings.weights), name)
    size = (shapes.IMAGE_SIZE, shapes.IMAGE_SIZE)
    preprocessing = Preprocessing(size, shapes.IMAGE_SIZE, "bilinear", shapes.MEAN, shapes.STD)
    return Built(model, preprocessing, list(shapes.CLASS_NAMES) if settings.weights == "default" else None)


def _from_torchvision(name: str, settings: ModelSettings) -> Built:
    import torchvision.models
    from torchvision.transforms.functional import InterpolationMode

    published = torchvision.models.get_model_weights(settings.model).DEFAULT
    if settings.model in PAPER_LAYERS:
        published = torchvision.models.get_weight(f"{type(published).__name__}.IMAGENET1K_V1")
    wanted = published if settings.weights == "default" else None
    try:
        with stalling_for_seconds():
            model: nn.Module = torchvision.models.get_model(settings.model, weights=wanted)
    except OSError as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(published.url).name
        raise _no_download(name, cache, error) from None
    # Those of the published weights alone: who trained others may have had another list of as many classes.
    class_names = list(published.meta["categories"]) if settings.weights == "default" else None
    if settings.weights not in ("default", "none"):
        state = read_weights(Path(settings.weights), name)
        classes = count_classes(model, state)
        if classes not in (None, len(published.meta["categories"])):
            model = torchvision.models.get_model(settings.model, num_classes=classes)
        fit_weights(model, state, Path(settings.weights), name)
    presets = published.transforms()
    interpolation = "bicubic" if presets.interpolation == InterpolationMode.BICUBIC else "bilinear"
    crop, resize = presets.crop_size[0], presets.resize_size[0]
    preprocessing = Preprocessing((crop, crop), resize, interpolation, tuple(presets.mean), tuple(presets.std))
    return Built(model, preprocessing, class_names)


def _from_timm(name: str, settings: ModelSettings) -> Built:
    import timm

    if not timm.is_model(settings.model):
        import torchvision.models

        known = [*shapes.CLASSIFIERS, *timm.list_models(), *torchvision.models.list_models(module=torchvision.models)]
        hint = suggestion(settings.model, known) or "; see timm.list_models() and torchvision.models.list_models()"
        raise TTameError(f"models.{name}.model: unknown model {settings.model!r}{hint}")
    packaged = lite0.find_weights() if settings.model == lite0.MODEL and settings.weights == "default" else None
    download = settings.weights == "default" and packaged is None
    try:
        with stalling_for_seconds(), reachable_hub() if download else nullcontext():
            model = timm.create_model(settings.model, pretrained=download)
    except (OSError, RuntimeError, ValueError) as error:
        if not download:
            raise
        raise _no_download(name, Path(f"{settings.model}.safetensors"), error) from None
    if packaged is not None:
        lite0.load_weights(model, packaged)
        return Built(model, lite0.PREPROCESSING, _imagenet_names(model))
    if settings.weights not in ("default", "none"):
        state = read_weights(Path(settings.weights), name)
        classes = count_classes(model, state)
        if classes not in (None, model.num_classes):
            model = timm.create_model(settings.model, num_classes=classes)
        fit_weights(model, state, Path(settings.weights), name)
    return Built(
        model,
        timm_preprocessing(model, f"models.{name}.model: {settings.model}"),
        _imagenet_names(model) if download else None,
    )


def _imagenet_names(model: Any) -> list[str] | None:
    """Class names where the published weights say that they were trained on ImageNet-1k, as timm's tags do.

    timm has the order of torchvision. A number of classes alone says nothing: weights of DINO have 1000 outputs too.
    """
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.DEFAULT.meta["categories"]
    of_imagenet = "in1k" in (model.pretrained_cfg.get("tag") or "")
    return names if of_imagenet and len(names) == model.num_classes else None


def _no_download(name: str, file: Path, error: Exception) -> TTameError:
    return TTameError(
        f"models.{name}.weights: the published weights could not be downloaded ({reason_of(error)}); put them at "
        f"{file} and set models.{name}.weights to that path, or use weights: none"
    )
