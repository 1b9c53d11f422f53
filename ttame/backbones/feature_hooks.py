"""What layers give in a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ttame.backbones.hooks import hooked


@contextmanager
def outputs_of(layers: Mapping[str, nn.Module], cut: bool = False) -> Iterator[dict[str, Tensor]]:
    """What layers give in the passes of the block, by their names; with `cut` they become the leaves of the graph."""
    outputs: dict[str, Tensor] = {}

    def record(name: str, layer: nn.Module) -> RemovableHandle:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
            outputs[name] = output.detach().requires_grad_() if cut else output
            # The rest of the network gets a copy: a residual `+=` would change what was recorded.
            return outputs[name].clone()

        return layer.register_forward_hook(hook)

    with hooked(record(name, layer) for name, layer in layers.items()):
        yield outputs
