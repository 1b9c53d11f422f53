"""The interface of every method."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.errors import TTameError, suggestion
from ttame.explainers.registry import EXPLAINERS


class Explainer(ABC):
    """A method that maps (image, class) to a saliency map.

    The map of an image does not depend on the others in its batch.
    """

    @abstractmethod
    def __init__(self, backbone: Backbone, options: Mapping[str, Any], checkpoint: Path | None) -> None:
        """Prepare for one classifier.

        Args:
            backbone: the frozen classifier.
            options: the method's section of `explainers` in the params.
            checkpoint: the trained mechanism, for a method that needs one.

        Raises:
            TTameError: when the method cannot explain this classifier.
        """

    @abstractmethod
    def __call__(self, images: Tensor, targets: Tensor, samples: Sequence[Sample] = ()) -> Tensor:
        """Raw saliency at the method's own resolution.

        Args:
            images: (B, 3, H, W), normalised.
            targets: (B,) classes to explain.
            samples: B samples; only the controls and the ground truth look at them.

        Returns:
            (B, h, w), any real values, higher is more relevant.
        """

    def training_counts(self, targets: Tensor) -> Tensor | None:
        """(B,) how often each target was a model truth in the method's training; None for one without training."""
        return None


def make_explainer(
    method: str, backbone: Backbone, options: Mapping[str, Any] | None = None, checkpoint: Path | None = None
) -> Explainer:
    """The explainer called `method` in the registry.

    Raises:
        TTameError: with near matches, when there is none of that name.
    """
    if method not in EXPLAINERS:
        hint = suggestion(method, EXPLAINERS) or f"; expected one of {', '.join(EXPLAINERS)}"
        raise TTameError(f"unknown method {method!r}{hint}")
    module, _, name = EXPLAINERS[method].location.partition(":")
    explainer: Explainer = getattr(importlib.import_module(module), name)(backbone, options or {}, checkpoint)
    return explainer
