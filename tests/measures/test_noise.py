from __future__ import annotations

import torch

from ttame.measures.noise import mixed


def test_from_the_map_to_noise_in_equal_steps() -> None:
    torch.manual_seed(0)
    maps, units = torch.rand(3, 12, 16), ["a", "b", "c"]
    assert torch.equal(mixed(maps, units, 0, 1), maps)
    noise = mixed(maps, units, 100, 1)
    torch.testing.assert_close(mixed(maps, units, 25, 1), 0.75 * maps + 0.25 * noise)
    assert noise.flatten(1).amin(1).eq(0).all()
    assert noise.flatten(1).amax(1).sub(1).abs().max() < 1e-6


def test_noise_belongs_to_the_unit_and_the_seed() -> None:
    maps = torch.zeros(2, 8, 8)
    noise = mixed(maps, ["a", "b"], 100, 1)
    assert torch.equal(noise.flip(0), mixed(maps, ["b", "a"], 100, 1))
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, mixed(maps, ["a", "b"], 100, 2))
    of_grids = mixed(torch.zeros(2, 4, 8, 8), ["a", "b"], 100, 1)
    assert of_grids.shape == (2, 4, 8, 8)
    assert len({tuple(row) for row in of_grids.flatten(0, 1).flatten(1).tolist()}) == 8
