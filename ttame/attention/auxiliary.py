"""The classifier that the mechanism of P-TAME reads instead of the one that it explains."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from ttame.attention.doubling import doublings
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.backbones.weights import digest_of_weights
from ttame.errors import TTameError
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.model_source import is_function
from ttame.params.settings import ModelSettings

PUBLISHED_LAYERS = {"resnet18": ["layer1", "layer2", "layer3", "layer4"]}
"""Feature layers of the P-TAME paper's auxiliary classifier; of others they are those of the rule."""


class Auxiliary:
    """A frozen classifier whose feature layers are read; of the explained one P-TAME uses inputs and logits alone.

    Both see the same image: the auxiliary one the very crop that the explained one gets, resized to its own input size
    where that differs (bilinear, with antialiasing), so that the map lies over the crop, and normalised in its own way.
    A crop of other proportions is stretched, and the map with it, back to the crop. What the auxiliary classifier
    computes is counted with the passes of the explained one, since a map would otherwise look as if it cost nothing.

    Attributes:
        settings: where it came from.
        classifier: itself; random weights are the same at every load.
        digest: of all of its weights, 16 hexadecimal digits.
    """

    def __init__(self, settings: AuxiliarySettings, backbone: Backbone) -> None:
        """Load it beside the classifier `backbone` that is explained.

        Raises:
            TTameError: for an unknown model or layer, and weights that do not fit or cannot be had.
        """
        self.settings = settings
        model = ModelSettings.model_validate(settings.model_dump(exclude={"name"}))
        if settings.layers == "auto" and settings.model in PUBLISHED_LAYERS:
            model = model.model_copy(update={"layers": PUBLISHED_LAYERS[settings.model]})
        try:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(0)
                classifier = load_backbone(settings.name, model)
        except TTameError as error:
            raise TTameError(f"mechanism.auxiliary, on {backbone.name}: {error}") from None
        self.digest = digest_of_weights(classifier.model)  # before a cast to half precision, which rounds them
        self.classifier: Backbone = classifier.to(next(backbone.parameters()))
        self.classifier.passes = backbone.passes

    @torch.no_grad()
    def features(self, images: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """What the layers give for (B, 3, H, W) images in [0, 1]: (B, C, h, w), or (B, tokens, C), for each."""
        size = self.classifier.preprocessing.input_size
        if images.shape[2:] != size:
            precise = images.to(torch.promote_types(images.dtype, torch.float32))  # half precision has no antialiasing
            resized = functional.interpolate(precise, size, mode="bilinear", align_corners=False, antialias=True)
            images = resized.to(images.dtype)
        _, found = self.classifier.features(self.classifier.normalise(images), layers)
        return list(found.values())

    def refuse_odd_sizes(self, layers: Sequence[str]) -> None:
        """Check that the maps of all layers can be doubled to the size of the first.

        Raises:
            TTameError: naming the layer where they cannot.
        """
        if self.classifier.is_transformer:
            return
        features = self.features(next(self.classifier.parameters()).new_zeros(1, 3, 1, 1), layers)
        first, *sizes = (tuple(feature.shape[2:]) for feature in features)
        for layer, size in zip(layers[1:], sizes, strict=True):
            try:
                doublings(size, first)
            except ValueError as error:
                raise TTameError(
                    f"mechanism.auxiliary: {self.settings.name}: {layer} of {error}, as {layers[0]} has it; choose "
                    f"other layers in models.{self.settings.name}.layers, or another auxiliary classifier"
                ) from None

    def copied(self) -> Auxiliary:
        """One of its own for who moves it to another device or precision, counted with the same passes."""
        other = copy.copy(self)
        other.classifier = copy.deepcopy(self.classifier)
        other.classifier.passes = self.classifier.passes
        return other

    def stated(self) -> dict[str, Any]:
        """What a checkpoint says of it."""
        return self.settings.model_dump() | {"digest": self.digest}


def stated_auxiliary(stated: Any, expected: AuxiliarySettings | None, backbone: Backbone) -> Auxiliary:
    """The auxiliary classifier that a checkpoint was trained with.

    Of a checkpoint's word alone no code is run: a function of the user's has to stand in the params.

    Args:
        stated: what the checkpoint says.
        expected: what the params say, or None to take the checkpoint's word.
        backbone: the classifier that is explained.

    Raises:
        TTameError: when the params say another one, its weights are others than in the training, or nothing is said.
    """
    if not isinstance(stated, Mapping):
        stated = {}
    try:
        known = AuxiliarySettings.model_validate({key: stated.get(key) for key in AuxiliarySettings.model_fields})
    except ValidationError:
        raise TTameError("says nothing whole of its auxiliary classifier; train again") from None
    if expected is None and is_function(known.model):
        raise TTameError(
            f"its auxiliary classifier is code, {known.model}, which a checkpoint cannot ask to be run; use it in the "
            "folder of an experiment whose params name it"
        )
    if expected is not None and _words(expected) != _words(known):
        raise TTameError(
            f"trained with the auxiliary classifier {_words(known)}, but params.yaml says "
            f"{_words(expected)}; train again"
        )
    auxiliary = Auxiliary(expected or known, backbone)
    if auxiliary.digest != stated.get("digest"):
        raise TTameError(
            f"trained with other weights of the auxiliary classifier {_words(known)} than there are now; train again, "
            "or bring them back"
        )
    return auxiliary


def _words(settings: AuxiliarySettings) -> str:
    return f"{settings.model} (weights: {settings.weights})"


@torch.no_grad()
def logits_and_features(
    backbone: Backbone, auxiliary: Auxiliary | None, images: Tensor, layers: Sequence[str]
) -> tuple[Tensor, list[Tensor]]:
    """(B, K) logits of (B, 3, H, W) images in [0, 1], and what a mechanism reads of them."""
    clean = backbone.normalise(images)
    if auxiliary is not None:
        return backbone(clean), auxiliary.features(images, layers)
    logits, features = backbone.features(clean, layers)
    return logits, list(features.values())


@torch.no_grad()
def features_read(
    backbone: Backbone, auxiliary: Auxiliary | None, clean: Tensor, layers: Sequence[str]
) -> list[Tensor]:
    """What a mechanism reads of (B, 3, H, W) images that are normalised for the classifier that it explains."""
    if auxiliary is not None:
        return auxiliary.features(backbone.unnormalise(clean), layers)
    return list(backbone.features(clean, layers)[1].values())
