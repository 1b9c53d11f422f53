"""Optimisers and the one-cycle schedule, for the paper's recipe and those of its published code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR

from ttame.params.attention import RecipeSettings


def make_optimiser(network: nn.Module, recipe: RecipeSettings, learning_rate: float) -> Optimizer:
    """The optimiser of a recipe, with the published groups of parameters.

    Weight decay on everything, batch-norm weights included, but the parameters called `bias`, whose rate is
    `bias_rate` times the others'. The published code drops the decay where it minimises sharpness; here the recipe says
    it.
    """
    biases: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (biases if name.rpartition(".")[2] == "bias" else others).append(parameter)
    groups = [
        {"params": biases, "weight_decay": 0.0, "lr": learning_rate * recipe.bias_rate},
        {"params": others, "weight_decay": recipe.weight_decay, "lr": learning_rate},
    ]
    if recipe.optimiser == "SGD":
        return SGD(groups, lr=learning_rate, momentum=recipe.momentum, nesterov=True)
    if recipe.optimiser == "RMSprop":
        return RMSprop(groups, lr=learning_rate, momentum=recipe.momentum)
    kind = {"Adam": Adam, "AdamW": AdamW}[recipe.optimiser]
    return kind(groups, lr=learning_rate, betas=(recipe.momentum, 0.999), amsgrad=recipe.amsgrad)


def make_schedule(optimiser: Optimizer, total_steps: int) -> OneCycleLR:
    """One cycle of rate and momentum over all steps (Smith 2018); each group's rate is the maximum of its cycle."""
    return OneCycleLR(optimiser, [group["lr"] for group in optimiser.param_groups], total_steps=total_steps)


@contextmanager
def sharpest_neighbour(network: nn.Module, radius: float) -> Iterator[None]:
    """Move the weights `radius` along their gradient for a while (sharpness-aware minimisation, Foret et al. 2021).

    The gradient computed inside is that of equation 4 there; the weights come back bit for bit.
    """
    moved = [parameter for parameter in network.parameters() if parameter.grad is not None]
    gradients = [parameter.grad for parameter in moved if parameter.grad is not None]
    before = [parameter.detach().clone() for parameter in moved]
    length = torch.stack([_norm(gradient) for gradient in gradients]).norm()
    with torch.no_grad():
        for parameter, gradient in zip(moved, gradients, strict=True):
            parameter.add_(gradient * (radius / (length + 1e-12)))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(moved, before, strict=True):
                parameter.copy_(value)


def _norm(gradient: Tensor) -> Tensor:
    return gradient.double().norm()
