"""Explaining images from Python, without params and without the DAG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.images import open_rgb
from ttame.data.sample import Sample
from ttame.data.transforms import center_crop, resize_shorter_side, to_bytes, to_unit_range
from ttame.explainers.explainer import make_explainer
from ttame.metrics.masking import saliency_map
from ttame.params.settings import ModelSettings


def open_model(
    model: str,
    weights: str = "default",
    layers: Sequence[str] | None = None,
    target_layer: str | None = None,
    name: str | None = None,
    head: str | Path | None = None,
) -> Backbone:
    """A frozen classifier.

    Args:
        model: a torchvision or timm model, `hf:` or `open_clip:` and a name or a folder, an embedded one, or
            `package.module:function`.
        weights: `default`, `none` (random), or the path of a state dict, whose number of classes is taken.
        layers: feature layers of attention mechanisms, or None for the rule.
        target_layer: the layer that CAM methods and IIA read, or None for the rule.
        name: its key of `models` where a mechanism was trained for it; `model` by default.
        head: of an image tower (CLIP, SigLIP), a file that `python -m ttame text-head` made.

    Raises:
        TTameError: for an unknown model or layer, or weights that do not fit or cannot be had.
    """
    chosen = {"layers": "auto" if layers is None else list(layers), "target_layer": target_layer or "auto"}
    given = {"model": model, "weights": weights, "head": None if head is None else str(head)}
    settings = ModelSettings.model_validate(given | chosen)
    return load_backbone(name or model, settings)


def load_images(paths: str | Path | Sequence[str | Path], model: Backbone) -> Tensor:
    """(B, 3, H, W) of one file or several: resized, cropped in the middle, normalised, on the device of the model.

    Raises:
        TTameError: naming a file that cannot be read.
    """
    preprocessing = model.preprocessing
    files = [paths] if isinstance(paths, str | Path) else paths
    crops = [center_crop(resize_shorter_side(open_rgb(Path(file)), preprocessing), preprocessing) for file in files]
    pixels = torch.stack([to_bytes(crop) for crop in crops])
    return model.normalise(to_unit_range(pixels.to(next(model.parameters()).device)))


def explain(
    model: Backbone,
    images: Tensor,
    method: str,
    targets: Tensor | None = None,
    options: Mapping[str, Any] | None = None,
    checkpoint: str | Path | None = None,
) -> Tensor:
    """Where the classifier looks.

    Args:
        model: of `open_model`.
        images: (B, 3, H, W), normalised, as `load_images` gives them.
        method: a name of `python -m ttame methods`.
        targets: (B,) classes to explain, or None for the model truths.
        options: of the method, as in `explainers` of the params.
        checkpoint: the trained mechanism of a learned method.

    Returns:
        (B, H, W) in [0, 1], higher is more relevant; 0 everywhere for a map without contrast.

    Raises:
        TTameError: for an unknown method, a target that is no class, or a checkpoint that does not fit.
    """
    explainer = make_explainer(method, model, options, None if checkpoint is None else Path(checkpoint))
    if targets is None:
        with torch.no_grad():
            targets = model(images).argmax(1)
    maps = explainer(images, targets, [Sample(str(number)) for number in range(len(images))])
    return saliency_map(maps.detach(), model.preprocessing.input_size)
