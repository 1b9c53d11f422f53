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
from ttame.store.maps_file import Maps, read_maps
from ttame.store.origin import origin_of_maps, refuse_other_origin
from ttame.store.paths import checkpoint_file, maps_file


class Method:
    """One method of an experiment; what is not asked for is not loaded."""

    def __init__(self, subject: Subject, name: str) -> None:
        self.subject = subject
        self.name = name

    @cached_property
    def explainer(self) -> Explainer:
        """With its trained mechanism, where it has one.

        Raises:
            NotDefined: when the method is not defined on this classifier.
            TTameError: when its mechanism is missing.
        """
        settings, backbone = self.subject.settings, self.subject.name
        checkpoint = checkpoint_file(settings, backbone, self.name) if find(self.name).needs_training else None
        auxiliary = auxiliary_of(settings, backbone, self.name)
        return make_explainer(self.name, self.subject.backbone, settings.options(self.name), checkpoint, auxiliary)

    def explain(self, images: Tensor, targets: Tensor, samples: Sequence[Sample]) -> Tensor:
        """Raw maps, (B, h, w), of (B, 3, H, W) normalised images for the (B,) targets."""
        return self.explainer(images, targets, samples).detach()

    def maps(self) -> Maps:
        """Those of the evaluation list, as the maps stage wrote them.

        Raises:
            NotDefined: when the method is not defined on this classifier.
            TTameError: when they are missing, or were made of something else.
        """
        settings, backbone = self.subject.settings, self.subject.name
        path = maps_file(settings, backbone, self.name)
        found = read_maps(path)
        origin = origin_of_maps(settings, backbone, self.name)
        refuse_other_origin(path, found.origin, origin, f"ttame maps {backbone} {self.name}")
        return found
