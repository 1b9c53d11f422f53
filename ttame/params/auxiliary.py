"""Which classifier's features the mechanism of P-TAME reads."""

from __future__ import annotations

from typing import Literal

from ttame.params.section import Section, Text
from ttame.params.settings import ModelSettings, Settings


class AuxiliarySettings(Section):
    """A frozen classifier that is read instead of the explained one; the keys are those of `models`.

    Attributes:
        name: its key of `models`, or the model's own name.
    """

    name: Text
    model: Text
    weights: Text
    head: Text | None = None
    layers: Literal["auto"] | list[Text]


def auxiliary_of(settings: Settings, backbone: str, method: str) -> AuxiliarySettings | None:
    """The auxiliary classifier of a pair; None where the mechanism reads the explained one, or nothing is trained."""
    if method not in settings.attention:
        return None
    name = settings.attention[method].on(backbone).mechanism.auxiliary
    if name is None:
        return None
    found = settings.models.get(name) or ModelSettings(model=name, weights="default")
    return AuxiliarySettings(name=name, model=found.model, weights=found.weights, head=found.head, layers=found.layers)


def auxiliaries(settings: Settings) -> list[str]:
    """The names of all auxiliary classifiers that the methods of an experiment read."""
    pairs = ((backbone, method) for backbone in settings.backbones for method in settings.methods.trained)
    found = [auxiliary_of(settings, backbone, method) for backbone, method in pairs]
    return sorted({auxiliary.name for auxiliary in found if auxiliary is not None})
