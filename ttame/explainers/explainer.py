"""The interface of every method."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.errors import TTameError, suggestion
from ttame.explainers.options import FineOptions
from ttame.explainers.registry import EXPLAINERS, find, refuse_undefined_pair, registered_name
from ttame.params.auxiliary import AuxiliarySettings
from ttame.params.section import Section
from ttame.params.validation import validated


class Explainer(ABC):
    """A method that maps (image, class) to a saliency map.

    The map of an image does not depend on the others in its batch.
    """

    def __init__(self, backbone: Backbone, options: Section) -> None:
        """Prepare for one classifier.

        Args:
            backbone: the frozen classifier.
            options: those that the method's entry in the registry names.

        Raises:
            NotDefined: when the method cannot explain this classifier.
        """
        self.backbone = backbone
        self._largest = options.largest if isinstance(options, FineOptions) else None

    def __call__(self, images: Tensor, targets: Tensor, samples: Sequence[Sample] = ()) -> Tensor:
        """Raw saliency at the method's own resolution.

        Args:
            images: (B, 3, H, W), normalised.
            targets: (B,) classes to explain.
            samples: B samples; only the controls and the ground truth look at them.

        Returns:
            (B, h, w), any real values, higher is more relevant; with `largest` among the options, means of areas
            where it would be larger.

        Raises:
            TTameError: for a target that is no class, or an image with values that are not finite.
        """
        self._check(images, targets)
        maps = self.explain(images, targets, samples)
        return maps if self._largest is None else at_most(maps, self._largest)

    @abstractmethod
    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """The method itself; arguments and result as for a call, already checked."""

    def _check(self, images: Tensor, targets: Tensor) -> None:
        classes = self.backbone.num_classes
        if len(targets) != len(images):
            raise TTameError(f"{len(targets)} targets for {len(images)} images; expected one class for each image")
        outside = targets[(targets < 0) | (targets >= classes)]
        if len(outside):
            raise TTameError(
                f"target {int(outside[0])} is no class of {self.backbone.name}; expected 0 to {classes - 1}"
            )
        broken = (~images.isfinite()).flatten(1).any(1).nonzero()
        if len(broken):
            raise TTameError(
                f"image {int(broken[0, 0])} of the batch has values that are not finite; mend or remove it"
            )

    def training_counts(self, targets: Tensor) -> Tensor | None:
        """(B,) how often each target was a model truth in the method's training; None for one without training."""
        return None


def at_most(maps: Tensor, largest: int) -> Tensor:
    """(B, h, w) maps whose longer side is `largest` where it was more, each number the mean of an area."""
    longer = max(maps.shape[1:])
    if longer <= largest:
        return maps
    rows, columns = (max(1, round(side * largest / longer)) for side in maps.shape[1:])
    return functional.adaptive_avg_pool2d(maps[:, None], (rows, columns))[:, 0]


def make_explainer(
    method: str,
    backbone: Backbone,
    options: Section | Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    auxiliary: AuxiliarySettings | None = None,
) -> Explainer:
    """The explainer called `method` in the registry.

    Args:
        method: a registered name; a learned method may carry a label.
        backbone: the frozen classifier.
        options: of a method without training, those that its entry in the registry names; the rest at their defaults.
        checkpoint: the trained mechanism, for a method that needs one.
        auxiliary: the classifier that the mechanism has to read, or None for the one that the checkpoint names.

    Raises:
        TTameError: when there is none of that name, no such option (both with near matches), or no checkpoint.
        NotDefined: when the method cannot explain this classifier.
    """
    if registered_name(method) not in EXPLAINERS:
        hint = suggestion(method, EXPLAINERS) or f"; expected one of {', '.join(EXPLAINERS)}"
        raise TTameError(f"unknown method {method!r}{hint}")
    refuse_undefined_pair(method, backbone.name, backbone.is_transformer)
    entry = find(method)
    module, _, name = entry.location.partition(":")
    make = getattr(importlib.import_module(module), name)
    chosen = options if isinstance(options, Section) else validated(entry.options, options or {}, method)
    if entry.training is None:
        explainer: Explainer = make(backbone, chosen)
        return explainer
    if checkpoint is None:
        raise TTameError(
            f"a learned method needs a trained mechanism; run `python -m ttame train {backbone.name} {method}`"
        )
    learned: Explainer = make(backbone, checkpoint, entry.training.design, auxiliary)
    return learned
