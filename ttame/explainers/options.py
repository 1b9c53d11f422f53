"""The options of the methods that need no training, as `explainers` of the params may set them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ttame.params.section import Count, Section, Seed


class NoOptions(Section):
    """No option."""


class RandomOptions(Section):
    """The control of uniform noise."""

    cells: int = Field(8, ge=2, le=512, description="cells a side")
    seed: Seed = Field(1, description="seed of the maps")


class CenterOptions(Section):
    """The control of a Gaussian in the middle."""

    sigma: float = Field(0.25, gt=0, le=10, description="standard deviation as a share of the side")


class FineOptions(Section):
    """What the methods share whose maps are as large as the image, 10 GB for 50,000 images of 224 x 224 pixels."""

    largest: int | None = Field(
        None,
        ge=2,
        le=4096,
        description="longer side of the maps that are kept, means of areas where the method's own are larger; null "
        "keeps them as they are (docs/gpu.md says what 56 changes)",
    )


class IntegratedGradientsOptions(FineOptions):
    """Integrated gradients."""

    steps: int = Field(50, ge=1, le=1000, description="points of the integral from the black image to the image")


class SmoothGradOptions(FineOptions):
    """SmoothGrad, with the same noise for all images."""

    draws: Count = Field(50, description="noisy copies of the image")
    noise: float = Field(
        0.15,
        ge=0,
        le=1,
        description="standard deviation of the noise as a share of the image's range, 0.1 to 0.2 in the paper",
    )
    seed: Seed = Field(1, description="seed of the noise")


class MaskingOptions(Section):
    """What the methods share that ask the whole classifier about hundreds of masked copies of an image."""

    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of the masked images' passes; bfloat16 is 4 to 7 times as fast on a GPU that has it and moves the "
        "map a little (docs/gpu.md says by how much)",
    )


class ScoreCAMOptions(MaskingOptions):
    """Score-CAM; two published codes differ."""

    weights: Literal["channel_softmax", "class_probability"] = Field(
        "channel_softmax",
        description="softmax of the class logit over the channels (the paper, package grad-cam) or the probability of "
        "the class (yiskw713/ScoreCAM)",
    )


class AblationCAMOptions(Section):
    """Ablation-CAM; paper and published code differ."""

    ablated_value: Literal["zero", "published"] = Field(
        "zero",
        description="what stands for an ablated channel, 0 (the paper) or far below the smallest activation (package "
        "grad-cam)",
    )


class RISEOptions(MaskingOptions, FineOptions):
    """RISE, with the same masks for all images."""

    masks: Count = Field(8000, description="random masks, 8000 in the paper (4000 for VGG)")
    cells: int = Field(7, ge=2, le=512, description="cells a side of a mask's grid")
    keep: float = Field(0.5, gt=0, lt=1, description="probability that a cell is kept")
    scores: Literal["softmax", "logits"] = Field(
        "softmax", description="what a mask is weighted with; the paper and the T-TAME code"
    )
    seed: Seed = Field(1, description="seed of the masks")


class IIAOptions(FineOptions):
    """Iterated integrated attributions."""

    steps: int = Field(10, ge=1, le=1000, description="steps of every integral")
    double_integral: bool = Field(
        False,
        description="on a CNN, integrate over the activations too, as the paper says and its code does not; the "
        "published code for transformers always does",
    )


class RolloutOptions(Section):
    """Attention rollout."""

    normalise_rows: bool = Field(True, description="divide rows by their sum after adding the identity")


class LRPOptions(Section):
    """Transformer attribution by layer-wise relevance propagation."""

    start_layer: int = Field(
        0, ge=0, le=1000, description="first block of the product, 0 in T-TAME and 1 in the authors' evaluation"
    )
