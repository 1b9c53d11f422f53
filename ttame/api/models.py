"""A classifier to explain, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn

from ttame.api.arguments import listed, naming_arguments
from ttame.api.surroundings import undisturbed
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings
from ttame.params.validation import validated


@undisturbed()
def open_model(
    model: str,
    weights: str | Path = "default",
    layers: Sequence[str] | None = None,
    target_layer: str | None = None,
    name: str | None = None,
    class_names: Sequence[str] | None = None,
    head: str | Path | None = None,
    outputs: Literal["logits", "probabilities"] = "logits",
) -> Backbone:
    """A frozen classifier.

    Args:
        model: a torchvision or timm model, `hf:` or `open_clip:` and a name or a folder, an embedded one, or
            `package.module:function`.
        weights: `default`, `none` (random), or the path of a state dict, whose number of classes is taken.
        layers: feature layers of attention mechanisms, or None for the rule.
        target_layer: the layer that CAM methods and IIA read, or None for the rule.
        name: its key of `models` where a mechanism was trained for it; `model` by default.
        class_names: of its classes; None for those of the published weights, which others do not have.
        head: of an image tower (CLIP, SigLIP), a file that `python -m ttame text-head` made.
        outputs: what its forward returns; of probabilities the logarithm is taken.

    Raises:
        TTameError: for an unknown model or layer, or weights that do not fit or cannot be had.
    """
    if isinstance(model, nn.Module):
        raise TTameError(f"model: a {type(model).__name__}, where a name is expected; ttame.wrap takes a module")
    said: dict[str, Any] = {"model": model, "weights": str(weights), "outputs": outputs}
    said |= {} if layers is None else {"layers": listed(layers, "layers")}
    said |= {} if target_layer is None else {"target_layer": target_layer}
    said |= {} if head is None else {"head": str(head)}
    settings = validated(ModelSettings, said, "open_model")
    name = name or model
    with naming_arguments(name=name, target_layer=target_layer):
        return with_names(load_backbone(name, settings), class_names)


def with_names(backbone: Backbone, class_names: Sequence[str] | None) -> Backbone:
    """The classifier with these names of its classes, or with those that it has.

    Raises:
        TTameError: when there are not as many as classes.
    """
    if class_names is not None:
        names = listed(class_names, "class_names")
        if len(names) != backbone.num_classes:
            raise TTameError(f"class_names: {len(names)} names for {backbone.num_classes} classes; expected as many")
        backbone.class_names = tuple(names)
    return backbone
