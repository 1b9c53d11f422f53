"""A method on a classifier: its maps of the evaluation list, and what it says of any other image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from torch import Tensor

from ttame.data.sample import Sample
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.explainers.registry import find
from ttame.params.auxiliary import auxiliary_of
from ttame.stages.subject import Subject
from ttame.store.maps_file import StoredMaps
from ttame.store.origin import read_checked_maps
from ttame.store.paths import checkpoint_file


class Method:
    """One method of an experiment, with a seed if it is trained; what is not asked for is not loaded."""

    def __init__(self, subject: Subject, name: str, seed: int | None) -> None:
        self.subject = subject
        self.name = name
        self.seed = seed

    @cached_property
    def explainer(self) -> Explainer:
        """With its trained mechanism, where it has one.

        Raises:
            NotDefined: when the method is not defined on this classifier.
            TTameError: when its mechanism is missing.
        """
        settings, backbone = self.subject.settings, self.subject.name
        checkpoint = None
        if find(self.name).needs_training:
            checkpoint = checkpoint_file(settings, backbone, self.name, self.seed)
        auxiliary = auxiliary_of(settings, backbone, self.name)
        return make_explainer(self.name, self.subject.backbone, settings.options(self.name), checkpoint, auxiliary)

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """Raw maps, (B, h, w), of (B, 3, H, W) normalised images for the (B,) targets."""
        return self.explainer(images, targets, samples).detach()

    def maps(self) -> StoredMaps:
        """Those of the evaluation list, as the maps stage wrote them.

        Raises:
            NotDefined: when the method is not defined on this classifier.
            TTameError: when they are missing, or were made of something else.
        """
        return read_checked_maps(self.subject.settings, self.subject.name, self.name, self.seed)
