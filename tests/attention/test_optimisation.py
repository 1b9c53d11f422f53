from __future__ import annotations

import pytest
import torch
from torch import nn

from ttame.attention.optimisation import make_optimiser, make_schedule, sharpest_neighbour

from .recipe import RECIPE


class Quadratic(nn.Module):
    """Half of w' A w, whose gradient is A w."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.diag(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
        self.weight = nn.Parameter(torch.tensor([3.0, -1.0, 0.5], dtype=torch.float64))

    def forward(self) -> torch.Tensor:
        return self.weight @ self.matrix @ self.weight / 2


def test_gradient_of_the_sharpest_neighbour() -> None:
    network = Quadratic()
    start = network.weight.detach().clone()
    network().backward()
    gradient = network.matrix @ start
    with sharpest_neighbour(network, 0.3):
        network.weight.grad = None
        network().backward()
    assert torch.equal(network.weight.detach(), start), "the weights come back"
    expected = network.matrix @ (start + 0.3 * gradient / gradient.norm())
    torch.testing.assert_close(network.weight.grad, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("optimiser", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_every_optimiser_cycles_its_rate_and_spares_biases(optimiser) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    recipe = RECIPE.model_copy(update={"optimiser": optimiser, "bias_rate": 2.0, "weight_decay": 0.1})
    made = make_optimiser(network, recipe, 0.01)
    schedule = make_schedule(made, 20)
    biases, others = made.param_groups
    assert biases["weight_decay"] == 0.0
    assert others["weight_decay"] == 0.1
    assert {id(p) for p in biases["params"]} == {id(network[0].bias), id(network[1].bias)}
    rates = []
    for _ in range(20):
        rates.append((biases["lr"], others["lr"]))
        network(torch.rand(2, 3, 4, 4)).square().mean().backward()
        made.step()
        if len(rates) < 20:
            schedule.step()
    assert max(rate for _, rate in rates) == pytest.approx(0.01, rel=0.02)
    assert all(bias == pytest.approx(2 * other) for bias, other in rates)
    assert rates[0][1] == pytest.approx(0.01 / 25)
