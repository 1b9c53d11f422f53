"""A classifier whose weights are randomised layer by layer, for the sanity check of Adebayo et al. (NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def layers_from_output(model: nn.Module) -> list[nn.Module]:
    """Every module with weights of its own, the last registered, which is the classifier's head, first."""
    return [module for module in reversed(list(model.modules())) if _weights(module)]


@torch.no_grad()
def shuffle_weights(layers: Sequence[nn.Module], seed: int) -> None:
    """Randomise layers in place: every weight tensor keeps its values and loses their places.

    Adebayo et al. draw new weights from the initialisation; shuffling draws from each tensor's own distribution, so
    that activations keep their scale and it is what the weights say that is lost. Statistics of a batch norm count as
    weights.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in layers:
        for tensor in _weights(layer):
            flat = tensor.flatten()
            order = torch.randperm(len(flat), generator=generator).to(tensor.device)
            tensor.copy_(flat[order].view_as(tensor))


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
