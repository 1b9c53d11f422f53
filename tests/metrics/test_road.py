from __future__ import annotations

import itertools

import pytest
import torch

from ttame.metrics.imputation import impute_linear
from ttame.metrics.road import perturbed_images, road_versions
from ttame.params.evaluation import RoadSettings

SETTINGS = RoadSettings(shares=[10, 25], noise=0.01, seed=1)
NAMES = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.fixture
def images_and_maps() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, 3, 16, 16), torch.rand(3, 16, 16)


@pytest.mark.parametrize(("version", "order"), [(1, "morf"), (3, "lerf")])
def test_removes_the_right_end_and_adds_noise_there_alone(images_and_maps, version, order) -> None:
    images, maps = images_and_maps
    assert road_versions(SETTINGS)[version] == (order, 25)
    result = perturbed_images(images, maps, NAMES, SETTINGS)[:, version]
    for image, saliency, perturbed in zip(images, maps, result, strict=True):
        threshold = saliency.flatten().sort(descending=order == "morf").values[64]
        gone = saliency > threshold if order == "morf" else saliency < threshold
        assert int(gone.sum()) == 64
        assert torch.equal(perturbed[:, ~gone], image[:, ~gone])
        noise = perturbed - impute_linear(image[None], gone[None])[0]
        assert 0.008 < noise[:, gone].std().item() < 0.012


def test_an_image_gets_alone_what_it_gets_in_a_batch(images_and_maps) -> None:
    images, maps = images_and_maps
    together = perturbed_images(images, maps, NAMES, SETTINGS)
    for index in (2, 0):
        alone = perturbed_images(images[[index]], maps[[index]], [NAMES[index]], SETTINGS)
        assert torch.equal(alone[0], together[index])


def test_seed_shares_and_orders_have_noise_of_their_own(images_and_maps) -> None:
    images, _ = images_and_maps
    flat = torch.zeros(3, 16, 16)

    def fill(seed: int) -> torch.Tensor:
        return perturbed_images(images, flat, NAMES, RoadSettings(shares=[10, 25], noise=0.01, seed=seed))[..., 0, :2]

    assert torch.equal(fill(1), fill(1))
    assert not torch.equal(fill(1), fill(2))
    versions = fill(1).unbind(1)
    assert not any(torch.equal(*pair) for pair in itertools.combinations(versions, 2))
