"""Which images: the section `data`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ttame.params.section import Count, EachOnce, Name, Section, Seed, Split, Text


class PerSplitPaths(Section):
    """A path for each split, or null."""

    train: Text | None = Field(None, description="for the images that train the attention mechanisms")
    validation: Text | None = Field(None, description="for the images that watch the training")
    evaluation: Text | None = Field(None, description="for the images that the methods are compared on")

    def __getitem__(self, split: Split) -> str | None:
        path: str | None = getattr(self, split)
        return path


class Counts(Section):
    """Images of each split; null takes all there are (of a given list the first are taken)."""

    train: Count | None = Field(None, description="images that train")
    validation: Count | None = Field(40, description="images that watch the training")
    evaluation: Count | None = Field(None, description="images to compare the methods on")

    def __getitem__(self, split: Split) -> int | None:
        count: int | None = getattr(self, split)
        return count


class DataSettings(Section):
    """Which images."""

    source: Literal["shapes", "folder", "ilsvrc"] = Field(
        "folder",
        description="shapes (rendered, with object masks), folder (any folder of images, nested, no labels needed) or "
        "ilsvrc (the layout of ILSVRC 2012)",
    )
    seed: Seed = Field(1, description="seed of the draw of the lists, and of the rendering of shapes")
    roots: PerSplitPaths = Field(
        PerSplitPaths(),
        description="folder of each split's images; splits may share one and are then drawn disjoint; null for shapes",
    )
    lists: PerSplitPaths = Field(
        PerSplitPaths(), description="a given datalist for each split, or null to draw it from the folder"
    )
    counts: Counts = Field(
        Counts(), description="images of each split; null takes all there are (of a given list the first are taken)"
    )
    model_truths: Annotated[list[Name], EachOnce] = Field(
        [],
        description="those of `backbones` whose classes of the training list are written, as in the published lists; "
        "no other stage needs them",
    )
