"""A classifier whose weights are randomised layer by layer, for the sanity check of Adebayo et al. (NeurIPS 2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def layers_from_output(model: nn.Module) -> list[nn.Module]:
    """Every module with weights of its own, the last registered, which is the classifier's head, first."""
    return [module for module in reversed(list(model.modules())) if _weights(module)]


@torch.no_grad()
def randomise(layers: Sequence[nn.Module], seed: int) -> None:
    """Randomise layers in place.

    Matrices and kernels are drawn anew, normal around 0 with the root mean square of the old ones, as an initialisation
    would, so that activations keep their scale; shuffled, the weights before a ReLU would keep their negative mean and
    the classifier would die. Vectors (biases, scales and statistics of norms) keep their values and lose their places.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in layers:
        for tensor in _weights(layer):
            if tensor.ndim > 1:
                drawn = torch.randn(tensor.shape, generator=generator, device="cpu").to(tensor)
                tensor.copy_(drawn * math.sqrt(tensor.square().mean()))  # torch's own depends on the processor's maker
            else:
                order = torch.randperm(tensor.numel(), generator=generator, device="cpu").to(tensor.device)
                tensor.copy_(tensor.flatten()[order].view_as(tensor))


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """When the block ends, every weight is what it was before, also after an error."""
    before = [(tensor, tensor.clone()) for layer in model.modules() for tensor in _weights(layer)]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, values in before:
                tensor.copy_(values)


def _weights(module: nn.Module) -> list[Tensor]:
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return [tensor for tensor in own if tensor.is_floating_point()]
