"""The options of the measures, as `measures` of the params may set them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ttame.params.section import Count, EachOnce, Section, Seed


class SingleDeletionOptions(Section):
    """Single deletion."""

    cells: int = Field(4, ge=2, le=64, description="cells a side; the input must be divisible by it")
    fill: Literal["mean", "blur"] = Field(
        "mean", description="what a deleted cell becomes: the mean colour (the paper) or the blurred image"
    )


class GridPointingOptions(Section):
    """The grid pointing game."""

    grids: Count = Field(50, description="grids of four images; fewer where the evaluation list does not give so many")
    confidence: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="smallest probability of its class that an image must have at half its size; 0.99 in the paper, at "
        "full size",
    )
    seed: Seed = Field(1, description="seed of the draw")


class KnownPartsOptions(Section):
    """Known parts of the embedded data."""

    idle: float = Field(
        0.05, ge=0, lt=1, description="objects whose drop is below this share of the largest decide nothing"
    )


class JudgedFidelityOptions(Section):
    """Judged fidelity."""

    removed: float = Field(0.1, gt=0, le=1, description="largest share of the input that is ever removed")
    shares: Annotated[list[Annotated[int, Field(ge=1, le=99)]], EachOnce] = Field(
        [10, 30, 50], min_length=1, description="percent of the cells that count as the most salient"
    )
    draws: Count = Field(50, description="random halves an image, share and side")
    steps: Count = Field(300, description="of the judge's fine-tuning")
    batch_size: Count = Field(32, description="images a step")
    learning_rate: float = Field(0.0003, gt=0, le=10, description="at the first step, from which it goes down to 0")
    seed: Seed = Field(1, description="seed of images, removals and draws")
