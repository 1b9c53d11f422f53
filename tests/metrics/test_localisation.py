from __future__ import annotations

import torch

from ttame.metrics.localisation import mass_inside, pointing_game


def test_peak_on_and_off_the_object() -> None:
    objects = torch.zeros(2, 4, 4, dtype=torch.bool)
    objects[:, 1, 1] = True
    saliency = torch.full((2, 4, 4), 0.1)
    saliency[0, 1, 1] = 0.9
    saliency[1, 3, 3] = 0.9
    assert pointing_game(saliency, objects).tolist() == [True, False]


def test_constant_map_points_at_the_first_pixel_not_at_the_object() -> None:
    objects = torch.ones(1, 4, 4, dtype=torch.bool)
    objects[0, 0, 0] = False
    assert pointing_game(torch.ones(1, 4, 4), objects).tolist() == [False]


def test_share_of_mass() -> None:
    objects = torch.zeros(2, 2, 2, dtype=torch.bool)
    objects[:, 0] = True
    saliency = torch.tensor([[[1.0, 2.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert mass_inside(saliency, objects).tolist() == [0.75, 0.0]
