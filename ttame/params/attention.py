"""How a mechanism is built and trained: a section of `attention`, by method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ttame.params.messages import explain
from ttame.params.section import Count, EachOnce, Name, Section, Share, Text, Weight

SEED_IN_PATH = "{seed}"
Rate = Annotated[float, Field(gt=0, le=1000)]


class WarmStart(Section):
    """A start at which the map of every class is its class activation map."""

    scale: Annotated[float, Field(gt=0, le=1e6)] | Literal["auto"] = Field(
        "auto", description="of the maps at the start; auto finds it by their range, which suits every classifier"
    )
    range: Annotated[float, Field(gt=0, le=1000)] = Field(
        12.0,
        description="of the maps at the start where scale is auto: the mean over images of the own class's highest "
        "value less its lowest, in logits of the mask. The larger, the closer training stays to CAM",
    )
    images: Count = Field(
        100,
        description="images of the training list over which gradients are averaged; where the classifier's last layer "
        "reads the means of the features its weights are taken, and no gradient",
    )


class MechanismSettings(Section):
    """The network."""

    auxiliary: Text | None = Field(
        None,
        description="of P-TAME, the classifier whose feature layers the mechanism reads instead of the backbone's: a "
        "key of `models`, or a model's own name; null for the other methods",
    )
    feature_layers: Literal["all"] | Annotated[list[int], Field(min_length=1), EachOnce] = Field(
        "all",
        description="which of the backbone's feature layers the mechanism reads: all, or a list of their places, -1 "
        "for the last",
    )
    initial_bias: float | None = Field(
        None,
        ge=-1000,
        le=1000,
        description="bias of every raw map at the start; null is the published random start near 0. A positive value "
        "starts with open masks, so that the area term cannot close a class's map for good before its images came",
    )
    warm_start: WarmStart | None = Field(
        None,
        description="start where every class's map is its class activation map (CAM), so that classes which training "
        "never meets keep that: of `ttame_ranked` on every classifier, of T-TAME and TAME where features are not "
        "negative; null is the published random start, {} the values below",
    )


class LossSettings(Section):
    """Weights of the three terms, which masks they see and how an image is masked."""

    cross_entropy: Weight = Field(1.5, description="weight of the cross-entropy of the masked image")
    area: Weight = Field(2.0, description="weight of the area of the masks")
    area_power: float = Field(0.3, gt=0, le=10, description="power of a mask's values in the area")
    variation: Weight = Field(0.01, description="weight of the roughness of the masks")
    masking: Literal["random", "diagonal", "max"] = Field(
        "random",
        description="masks in the area and variation terms, of all model truths in the batch (random), of the image's "
        "own (diagonal), or of its B most probable classes (max)",
    )
    input_policy: Literal["auto", "raw_normalize", "new", "renormalize"] = Field(
        "auto",
        description="n(m x) for raw_normalize and renormalize, m n(x) for new; auto is the paper's choice, "
        "raw_normalize for CNNs and new for transformers",
    )
    ranked_masks: Share = Field(
        0.0,
        description="share of the images of which only a top part of the mask, drawn anew each time, keeps the class, "
        "so that training orders the pixels; 0 is as published",
    )
    blurred_fill: Share = Field(
        0.0,
        description="share of the images in which what the mask takes away becomes the blurred image, and not black; "
        "0 is as published",
    )
    complement: Weight = Field(
        0.0, description="weight of a term that asks the rest of the image to lose the class; 0 is as published"
    )


class RecipeSettings(Section):
    """The optimisation."""

    epochs: Count = Field(8, description="passes over the training list")
    batch_size: int = Field(32, ge=2, le=10**9, description="images a batch, over all processes; part of the recipe")
    accumulate: Count = Field(1, description="batches whose gradients make one step of the optimiser")
    optimiser: Literal["SGD", "Adam", "AdamW", "RMSprop"] = Field(
        "SGD",
        description="SGD is the paper's, with Nesterov momentum; the others take square roots, which "
        "`execution.portable` does not cover",
    )
    amsgrad: bool = Field(
        False, description="of Adam and AdamW, divide by the largest second moment so far (P-TAME's recipe)"
    )
    momentum: float = Field(
        0.9,
        gt=0,
        lt=1,
        description="of SGD and RMSprop, the first beta of Adam and AdamW; the one-cycle schedule overrides it",
    )
    weight_decay: Weight = Field(0.0005, description="on weights, never on biases")
    bias_rate: float = Field(
        1.0,
        gt=0,
        description="learning rate of the biases over that of the weights, 1 in the paper and 2 by an option "
        "of its code",
    )
    sharpness: Weight = Field(0.0, description="radius of sharpness-aware minimisation; 0 is none")
    precision: Literal["auto", "float32"] = Field(
        "auto", description="auto is float32 on a CPU and mixed on CUDA, with the loss in float32"
    )
    augment: bool = Field(True, description="random crop and horizontal flip")


class AttentionSettings(Section):
    """A trained method: its network, loss and optimisation."""

    mechanism: MechanismSettings = Field(MechanismSettings(), description="the network")
    loss: LossSettings = Field(
        LossSettings(), description="weights of the three terms, which masks they see and how an image is masked"
    )
    recipe: RecipeSettings = Field(RecipeSettings(), description="the optimisation")
    learning_rate: Rate | dict[Name, Rate] = Field(
        0.001,
        description="maximum of the one-cycle schedule: a number for all backbones, or one by backbone",
    )
    checkpoints: dict[Name, Text] = Field(
        {},
        description="published checkpoints to import instead of training, by backbone; the rest is trained; with "
        "several seeds, {seed} in a path stands for each",
    )
    by_backbone: dict[Name, dict[Literal["mechanism", "loss", "recipe"], dict[str, Any]]] = Field(
        {},
        description="what is different on a backbone, by its name: keys of these three sections, "
        "`{vit_b_16: {loss: {area_power: 0.5}}}` say",
    )

    @model_validator(mode="after")
    def _check_by_backbone(self) -> AttentionSettings:
        for backbone, changes in self.by_backbone.items():
            values = self._changed(changes)
            try:
                AttentionSettings.model_validate(values)
            except ValidationError as error:
                raise ValueError(f"by_backbone.{backbone}: {explain(error, AttentionSettings, values)}") from None
        return self

    def on(self, backbone: str) -> AttentionSettings:
        """The settings on one backbone: what `by_backbone` says of it stands above the rest."""
        return AttentionSettings.model_validate(self._changed(self.by_backbone.get(backbone, {})))

    def _changed(self, changes: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
        values = self.model_dump(exclude={"by_backbone"})
        return values | {section: values[section] | keys for section, keys in changes.items()}

    def imported(self, backbone: str, seed: int) -> Path | None:
        """The checkpoint to import on a backbone; None where a mechanism is trained."""
        written = self.checkpoints.get(backbone)
        return None if written is None else Path(written.replace(SEED_IN_PATH, str(seed)))

    def rate_for(self, backbone: str) -> float:
        """Maximum of the one-cycle schedule on a backbone."""
        return self.learning_rate[backbone] if isinstance(self.learning_rate, dict) else self.learning_rate
