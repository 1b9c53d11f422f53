from __future__ import annotations

import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.explainers.families.inner_batches import InnerBatches
from ttame.explainers.families.input_gradient import input_gradient, sum_of_gradients

from ..conftest import IMAGENET
from .closed_forms import batch, power, rows


def test_gradient_of_a_square() -> None:
    backbone = power(2)
    images, targets = batch(backbone)
    row = rows(backbone, targets)
    expected = 2 * (row * images).sum((1, 2, 3), keepdim=True) * row
    backbone.passes.forward = backbone.passes.backward = 0
    with torch.no_grad():
        found = input_gradient(backbone, images, targets)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    assert (backbone.passes.forward, backbone.passes.backward) == (2, 2)
    assert not found.requires_grad
    assert not images.requires_grad


def test_a_classifier_may_change_its_input_in_place() -> None:
    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pixels = nn.Identity()
            self.head = nn.Linear(3, 5)

        def forward(self, images: Tensor) -> Tensor:
            images *= 2
            return self.head(self.pixels(images).mean((2, 3)))

    model = Doubling()
    backbone = Backbone("doubling", model, Preprocessing((4, 4), 4, "bilinear", *IMAGENET), ["pixels"], "pixels")
    images, targets = batch(backbone)
    before = images.clone()
    expected = (model.head.weight[targets] * 2 / 16)[:, :, None, None].expand(2, 3, 4, 4)
    torch.testing.assert_close(input_gradient(backbone, images, targets), expected)
    assert torch.equal(images, before)


def test_sum_weighs_each_version_of_each_image() -> None:
    """Versions are multiples of the image, so the gradients of a square are multiples too."""
    backbone = power(2)
    images, targets = batch(backbone)
    factors = torch.arange(1, 12, dtype=torch.float64)
    weights = torch.linspace(-1, 2, 11, dtype=torch.float64)
    found = sum_of_gradients(
        backbone,
        InnerBatches(torch.device("cpu"), {"cpu": 4}),
        images,
        targets,
        lambda batch, start, stop: (factors[start:stop, None, None, None] * image for image in batch),
        weights,
    )
    expected = (factors * weights).sum() * input_gradient(backbone, images, targets)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
