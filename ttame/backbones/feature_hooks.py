"""What layers give in a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def outputs_of(layers: Mapping[str, nn.Module], cut: bool = False) -> Iterator[dict[str, Tensor]]:
    """What layers give in the passes of the block, by their names; with `cut` they become the leaves of the graph."""
    outputs: dict[str, Tensor] = {}
    hooks = []

    def record(name: str, layer: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            outputs[name] = output.detach().requires_grad_() if cut else output
            # The rest of the network gets a copy: a residual `+=` would change what was recorded.
            return outputs[name].clone()

        return layer.register_forward_hook(hook)

    try:
        hooks = [record(name, layer) for name, layer in layers.items()]
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
