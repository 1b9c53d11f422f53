from __future__ import annotations

import pytest
import torch

from ttame.data.blurring import blurred
from ttame.metrics.insertion_deletion import area_under_curve, deletion_images, insertion_images

STEPS = 5


@pytest.fixture
def images_and_maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, 10, 10, generator=generator), torch.rand(2, 10, 10, generator=generator)


def test_deletion_by_a_plain_loop(images_and_maps) -> None:
    images, maps = images_and_maps
    versions = deletion_images(images, maps, STEPS)
    for image, saliency, curve in zip(images, maps, versions, strict=True):
        order = sorted(range(100), key=lambda pixel: -saliency.flatten()[pixel].item())
        current = image.clone()
        for step in range(STEPS):
            for pixel in order[20 * step : 20 * (step + 1)]:
                current[:, pixel // 10, pixel % 10] = 0
            assert torch.equal(curve[step], current)
    assert not versions[:, -1].any()


def test_insertion_by_a_plain_loop(images_and_maps) -> None:
    images, maps = images_and_maps
    versions = insertion_images(images, maps, STEPS, 0.1)
    start = blurred(images, 0.1)
    assert torch.equal(versions[:, 0], start)
    for image, saliency, current, curve in zip(images, maps, start, versions, strict=True):
        order = sorted(range(100), key=lambda pixel: -saliency.flatten()[pixel].item())
        for step in range(1, STEPS):
            for pixel in order[20 * (step - 1) : 20 * step]:
                current[:, pixel // 10, pixel % 10] = image[:, pixel // 10, pixel % 10]
            assert torch.equal(curve[step], current)


def test_area_of_known_curves() -> None:
    straight = torch.linspace(1, 0, 9)
    step = torch.tensor([1.0, 1, 1, 1, 1, 0, 0, 0, 0])
    areas = area_under_curve(torch.stack([straight, step, torch.ones(9)]))
    assert areas.tolist() == pytest.approx([0.5, 4.5 / 8, 1.0])
