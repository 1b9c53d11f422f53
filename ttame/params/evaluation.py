"""How maps are scored, checked and reported: the sections `metrics`, `sanity` and `report`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ttame.params.section import Count, EachOnce, Percent, Section, Seed, Text


def _with_the_whole_map(shares: list[int]) -> list[int]:
    if 100 not in shares:
        raise ValueError("100 is missing; add it")
    return shares


class RoadSettings(Section):
    """Remove and debias."""

    shares: Annotated[list[Annotated[int, Field(ge=1, le=99)]], EachOnce] = Field(
        [10, 20, 30, 40, 50, 70, 90], min_length=1, description="percent of the pixels that are removed and filled"
    )
    noise: float = Field(0.01, ge=0, le=10, description="standard deviation of the noise on filled pixels")
    seed: Seed = Field(1, description="seed of the noise")


class CurveSettings(Section):
    """Insertion and deletion curves."""

    steps: int = Field(16, ge=2, le=1000, description="points of a curve after the first; 224 in RISE")
    blur: float = Field(
        0.0223,
        gt=0,
        le=0.2,
        description="of the image that insertion starts from, standard deviation as a share of the shorter side; RISE "
        "blurs by 5 of 224 pixels",
    )


class MetricSettings(Section):
    """How maps are scored."""

    shares: Annotated[list[Percent], EachOnce, AfterValidator(_with_the_whole_map)] = Field(
        [100, 50, 15],
        min_length=1,
        description="percent of the pixels that AD and IC keep, 100 (the whole map) among them, which ADCC needs",
    )
    road: RoadSettings = Field(RoadSettings(), description="remove and debias")
    insertion_deletion: CurveSettings = Field(CurveSettings(), description="insertion and deletion curves")
    coherency: bool = Field(
        True,
        description="whether maps of the masked images are made too, for coherency and ADCC; doubles the time of every "
        "map",
    )


class SensitivitySettings(Section):
    """Does a measure fall when maps are mixed with noise?"""

    methods: Count = Field(2, description="how many of the methods that each column of the tables calls the best")
    images: Count = Field(
        32, description="how many are scored again, spread evenly over the evaluation list, and how many grids at most"
    )
    seed: Seed = Field(1, description="seed of the noise")


class SanitySettings(Section):
    """Does the map change when the classifier loses its weights?"""

    images: Count = Field(8, description="how many, spread evenly over the evaluation list")
    depths: Annotated[list[Percent], EachOnce] = Field(
        [1, 50, 100],
        min_length=1,
        description="percent of the layers that are randomised, counted from the output; at least one layer",
    )
    seed: Seed = Field(1, description="seed of the randomised weights")


class ReportSettings(Section):
    """What the tables and the page show."""

    reference: Text = Field(
        "ttame",
        description="method that the others are compared with; without effect where it is not among the methods",
    )
    gallery: int = Field(40, ge=1, le=200, description="images of every backbone on the results page")
    resamples: int = Field(
        10000, ge=100, le=1_000_000, description="draws of the bootstrap and of the permutation tests"
    )
    seed: Seed = Field(1, description="seed of the draws")
