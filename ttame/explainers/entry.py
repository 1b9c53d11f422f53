"""What the tools have to know of a method before they import it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ttame.explainers.options import NoOptions
from ttame.params.section import Section

Kind = Literal["control", "learned", "ablation", "gradient", "perturbation", "integrated", "attention"]
BackboneKind = Literal["CNN", "transformer"]
BOTH: tuple[BackboneKind, ...] = ("CNN", "transformer")
TRANSFORMERS: tuple[BackboneKind, ...] = ("transformer",)


@dataclass(frozen=True)
class Training:
    """How a learned method is trained.

    Attributes:
        design: its mechanism, a key of `ttame.attention.designs.DESIGNS`.
        masks: what its map multiplies in training, the image or the last feature maps.
        cross_entropy_only: whether the area and variation terms must be off.
        reads_auxiliary: whether its mechanism reads another classifier than the one that it explains.
        defaults: of its section of `attention`, where they differ from T-TAME's.
    """

    design: str
    masks: Literal["image", "features"] = "image"
    cross_entropy_only: bool = False
    reads_auxiliary: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What the tools have to know of a method before they import it.

    Attributes:
        title: name in tables.
        kind: family that it belongs to.
        location: `module:class` of the explainer.
        passes: forward + backward passes of the classifier per map, P-TAME's of its auxiliary one; C is the channels
            of the target layer, N the masks of RISE and the draws of SmoothGrad, S the steps of IIA and of integrated
            gradients.
        citation: the paper, or what the control is for.
        works_on: the kinds of backbone that it is defined on.
        training: how it is trained, or None for a method without training.
        options: of a method without training, with their defaults.
        reads_target_layer: whether the choice of the backbone's target layer changes its maps.
        notice: what its users have to know beside its paper; the list of methods ends with it.
    """

    title: str
    kind: Kind
    location: str
    passes: str
    citation: str
    works_on: tuple[BackboneKind, ...] = BOTH
    training: Training | None = None
    options: type[Section] = NoOptions
    reads_target_layer: bool = False
    notice: str = ""

    @property
    def needs_training(self) -> bool:
        """Whether it has an attention mechanism to train."""
        return self.training is not None
