"""Classifiers whose gradients are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing

from ..conftest import IMAGENET

SIZE = (6, 8)


class Power(nn.Module):
    """Logits (W x)^p."""

    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power
        self.pixels = nn.Identity()
        self.linear = nn.Linear(3 * SIZE[0] * SIZE[1], 5, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.pixels(images).flatten(1))
        return logits**self.power


def power(exponent: int) -> Backbone:
    """In float64."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(SIZE, 6, "bilinear", *IMAGENET)
    return Backbone("power", Power(exponent), preprocessing, ["pixels"], "pixels").double()


def rows(backbone: Backbone, targets: Tensor) -> Tensor:
    """(B, 3, H, W): for each target its row of W."""
    assert isinstance(backbone.model, Power)
    return backbone.model.linear.weight[targets].unflatten(1, (3, *SIZE))


def batch(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Two normalised images and their targets."""
    torch.manual_seed(1)
    pixels = torch.rand(2, 3, *backbone.preprocessing.input_size, dtype=next(backbone.parameters()).dtype)
    return backbone.normalise(pixels), torch.tensor([1, 4])
