"""Which layers to read when nobody names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ttame.backbones.tokens import TokenLayout
from ttame.errors import TTameError, suggestion

PAPER_LAYERS = {
    "vgg16": ["features.16", "features.23", "features.30"],
    "resnet50": ["layer2", "layer3", "layer4"],
    "vit_b_16": [f"encoder.layers.encoder_layer_{block}.ln_1" for block in (9, 10, 11)],
}
"""Feature layers of the T-TAME paper, by torchvision name (IEEE Access 2024, section IV)."""

PAPER_TARGET_LAYERS = {
    "vgg16": "features.29",
    "resnet50": "layer4.2",
    "vit_b_16": "encoder.layers.encoder_layer_11.ln_1",
}
"""Target layers of the compared methods."""

FEATURE_LAYERS = 3


def choose_layers(
    model: nn.Module, input_size: tuple[int, int], tokens: TokenLayout | None, name: str
) -> tuple[list[str], str]:
    """Feature layers and target layer by rule.

    CNN: the last map of each of the last three resolutions; the gradient methods read the last of all.
    Transformer: the first LayerNorm of the last three blocks; the gradient methods read the last of them.

    Raises:
        TTameError: when the rule finds nothing.
    """
    trace = _trace(model, input_size)
    found = _last_of_resolutions(trace, input_size) if tokens is None else _first_norms(trace)
    if not found:
        raise TTameError(
            f"models.{name}: found no feature maps by rule; name some in models.{name}.layers and target_layer "
            "(outputs of shape (B, C, h, w), or (B, tokens, C) for a model with num_prefix_tokens and patch_embed)"
        )
    layers = found[-FEATURE_LAYERS:]
    return layers, layers[-1]


Step = tuple[str, nn.Module, tuple[int, ...], int]
"""Name, module, shape of its output and identity of the output's memory."""


@torch.no_grad()
def _trace(model: nn.Module, input_size: tuple[int, int]) -> list[Step]:
    """Every module in the order in which it finishes, on one black image."""
    steps: list[Step] = []
    keep: list[Tensor] = []

    def record(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                keep.append(output)  # alive, so that no later output gets the same address
                steps.append((name, module, tuple(output.shape), output.data_ptr()))

        return module.register_forward_hook(hook)

    hooks = [record(name, module) for name, module in model.named_modules() if name]
    try:
        model.eval()(next(model.parameters(), torch.zeros(())).new_zeros(1, 3, *input_size))
    finally:
        for hook in hooks:
            hook.remove()
    return steps


def _is_chain(module: nn.Module) -> bool:
    """A container whose parts run one after the other, so that each part is a stage of the trunk."""
    return isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)


def _on_trunk(name: str, modules: Mapping[str, nn.Module]) -> bool:
    parts = name.split(".")
    parents = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    return all(parent not in modules or _is_chain(modules[parent]) for parent in parents)


def _feature_maps(trace: Sequence[Step], input_size: tuple[int, int]) -> list[Step]:
    """The steps of the trunk whose output is a map of the image."""
    modules = {name: module for name, module, _, _ in trace}
    found = []
    for step in trace:
        name, module, shape, _ = step
        if len(shape) != 4 or not _on_trunk(name, modules):
            continue
        height, width = shape[2:]
        pooled = isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d) or min(height, width) < 2
        if not pooled and height * input_size[1] == width * input_size[0]:
            found.append(step)
    return found


def _last_of_resolutions(trace: Sequence[Step], input_size: tuple[int, int]) -> list[str]:
    last: dict[int, tuple[str, int]] = {}
    for name, _, shape, memory in _feature_maps(trace, input_size):
        height = shape[2]
        previous = last.get(height)
        # A container ends with its last part: the same map, and the shorter name is the better one.
        if previous and previous[1] == memory and not previous[0].startswith(f"{name}."):
            continue
        last.pop(height, None)
        last[height] = (name, memory)
    ordered = sorted(last.items(), key=lambda item: -item[0])
    return [name for _, (name, _) in ordered]


@dataclass(frozen=True)
class Candidate:
    """A layer that maps can be made from, its kind, and the shape of its output for one image."""

    name: str
    kind: str
    shape: tuple[int, ...]


def candidates(model: nn.Module, input_size: tuple[int, int], tokens: TokenLayout | None) -> list[Candidate]:
    """The layers that can be feature layers, in execution order.

    CNN: maps of the image on the trunk. Transformer: token sequences on the trunk, and the norms in the blocks.
    """
    trace = _trace(model, input_size)
    if tokens is None:
        steps = _feature_maps(trace, input_size)
    else:
        length = tokens.prefix_tokens + tokens.grid[0] * tokens.grid[1]
        modules = {name: module for name, module, _, _ in trace}
        steps = [
            step
            for step in trace
            if step[2][1:2] == (length,)
            and len(step[2]) == 3
            and (_on_trunk(step[0], modules) or isinstance(step[1], nn.LayerNorm | nn.RMSNorm))
        ]
    return [Candidate(name, type(module).__name__, shape[1:]) for name, module, shape, _ in steps]


def _first_norms(trace: Sequence[Step]) -> list[str]:
    norms: dict[str, list[str]] = defaultdict(list)
    for name, module, shape, _ in trace:
        if isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(shape) == 3:
            norms[name.rpartition(".")[0]].append(name)
    # A block has a norm before its attention and one before its MLP; a lone norm closes the network.
    return [names[0] for names in norms.values() if len(names) >= 2]


def find_layer(model: nn.Module, layer: str, name: str) -> nn.Module:
    """The module called `layer`.

    Raises:
        TTameError: with near matches, when the model has none of that name.
    """
    modules = dict(model.named_modules())
    if layer not in modules or not layer:
        hint = (
            suggestion(layer, modules)
            or f"; its top-level layers are {', '.join(n for n, _ in model.named_children())}"
        )
        raise TTameError(f"models.{name}: no layer called {layer!r}{hint}")
    return modules[layer]
