"""What has the shape of a map and is none: a position embedding, and the tokens of queries."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

from ..conftest import IMAGENET


class Positions(nn.Module):
    """A weight for every position, whatever the image is."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, width, side, side))

    def forward(self, maps: Tensor) -> Tensor:
        return self.weights.expand(len(maps), -1, -1, -1)


class Queries(nn.Module):
    """A CNN whose maps queries of its head read, each with a weight of its own (as a Q-Former, or a Perceiver).

    Args:
        count: of queries; 16 and 9 are as many as 4 x 4 and 3 x 3 positions, 64 as many as the map has.
        loudness: of the queries: with little of it all read the mean, with much each one or two positions.
    """

    def __init__(self, count: int, loudness: float) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU()]
        self.stages = nn.Sequential(*stem, nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU())
        self.weighing = Positions(24, 8)
        self.queries = nn.Parameter(loudness * torch.randn(1, count, 24))
        self.attention = nn.MultiheadAttention(24, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 24), nn.GELU())
        self.head = nn.Linear(24 * count, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stages(images)
        positions = maps.flatten(2).mT
        tokens = self.mlp(self.attention(self.queries.expand(len(images), -1, -1), positions, positions)[0])
        logits: Tensor = self.head(tokens.flatten(1)) + self.weighing(maps).mean((2, 3))[:, :5]
        return logits


def _backbone(count: int, loudness: float, *layers: str) -> Backbone:
    torch.manual_seed(0)
    preprocessing = Preprocessing((64, 64), 64, "bilinear", *IMAGENET)
    return Backbone("queries", Queries(count, loudness), preprocessing, layers or None, layers[-1] if layers else None)


@pytest.mark.parametrize("count", [9, 16, 64])
@pytest.mark.parametrize("loudness", [1.0, 30.0])
def test_the_rule_reads_the_maps_before_them(count: int, loudness: float) -> None:
    assert _backbone(count, loudness).layers == ("stages.2", "stages")


@pytest.mark.parametrize(
    ("layer", "reason"),
    [("mlp", r"gives tokens that ask for the whole image \(queries\)"), ("weighing", "gives the same for every image")],
)
def test_they_are_refused_by_name(layer: str, reason: str) -> None:
    with pytest.raises(TTameError, match=rf"models\.queries\.layers: the layer '{layer}' {reason}.* are .*stages"):
        _backbone(16, 1.0, layer)


class Shared(nn.Module):
    """One module that tokens of two grids pass, one after the other, as CrossViT's dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 16, 8, 8), nn.Conv2d(16, 16, 2, 2)
        self.passed, self.mlp, self.head = nn.Dropout(), nn.Linear(16, 16), nn.Linear(16, 5)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        tokens = [self.passed(maps.flatten(2).mT) for maps in (fine, self.coarse(fine))]
        logits: Tensor = self.head(self.mlp(tokens[0]).mean(1) + tokens[1].mean(1))
        return logits


def test_a_module_that_is_called_for_two_grids_is_no_error() -> None:
    torch.manual_seed(0)
    backbone = Backbone("shared", Shared(), Preprocessing((64, 64), 64, "bilinear", *IMAGENET))
    assert "coarse" in backbone.layers
