"""Forward passes of a trial image that show how the attention of a transformer is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.attention.opening import AttentionStep, opened
from ttame.backbones.hooks import hooked

TOLERANCE, ROUNDINGS = 1e-4, 8
"""By how much values may differ that are the same in theory, as a share of the largest; so many roundings where that is
more, in half precision."""


@dataclass(frozen=True)
class OpenRun:
    """What a forward pass with open attention showed.

    Attributes:
        logits: (1, K).
        modules: the name of the module that each attention layer is in, in the order in which they ran.
        shapes: (heads, Q, N) of its weights.
        outputs: by name, what these modules returned first.
        hidden: whether some attention was not opened.
    """

    logits: Tensor
    modules: list[str]
    shapes: list[tuple[int, ...]]
    outputs: dict[str, Any]
    hidden: bool


@torch.no_grad()
def run_in_the_open(model: nn.Module, image: Tensor) -> OpenRun:
    """A forward pass of (1, 3, H, W) that changes no weights and looks where they are computed."""
    running: list[str] = []
    modules: list[str] = []
    shapes: list[tuple[int, ...]] = []
    outputs: dict[str, Any] = {}

    def tap(_: int, step: AttentionStep) -> Tensor:
        modules.append(running[-1])
        shapes.append(tuple(step.weights.shape[1:]))
        return step.weights

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: running.append(name)

    def leave(_: nn.Module, __: object, output: Any) -> None:
        name = running.pop()
        if name in modules:
            outputs[name] = _first(output)

    entering = (module.register_forward_pre_hook(enter(name)) for name, module in model.named_modules())
    leaving = (module.register_forward_hook(leave) for module in model.modules())
    with hooked(entering), hooked(leaving), opened(model, tap) as mode:
        logits = model(image)
    return OpenRun(logits, modules, shapes, outputs, mode.hidden)


@dataclass(frozen=True)
class OwnRun:
    """What the model's own code computes: (1, K) logits, and by name what modules take in and return first."""

    logits: Tensor
    inputs: dict[str, Any]
    outputs: dict[str, Any]


@torch.no_grad()
def run_as_it_is(model: nn.Module, image: Tensor, modules: Iterable[str]) -> OwnRun:
    """A forward pass of (1, 3, H, W) that looks at some modules."""
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
            inputs[name] = next(iter((*given, *options.values())), None)
            outputs[name] = _first(output)

        return hook

    with hooked(model.get_submodule(name).register_forward_hook(keep(name), with_kwargs=True) for name in modules):
        return OwnRun(model(image), inputs, outputs)


@torch.no_grad()
def mixes_elsewhere(model: nn.Module, image: Tensor) -> bool:
    """Whether tokens of (1, 3, H, W) reach each other between the attention layers by another way than attention.

    All weights are set to 0, so that no token hears of another; then the last token, alone, may ask all others in the
    first layer. In the layers after it no other token may have changed.
    """

    def values(asks: bool) -> list[Tensor]:
        seen: list[Tensor] = []

        def tap(number: int, step: AttentionStep) -> Tensor:
            seen.append(step.value)
            weights = torch.zeros_like(step.weights)
            if asks and number == 0:
                weights[:, :, -1] = 1 / weights.shape[-1]
            return weights

        with opened(model, tap):
            model(image)
        return seen

    changes = [(one - other).abs().amax((0, 1, 3)) for one, other in zip(values(False), values(True), strict=True)]
    return any(bool((change > _tolerance(change) * change[-1])[:-1].any()) for change in changes)


def is_close(found: Any, expected: Any) -> bool:
    """Whether both are tensors that agree to 1e-4 of the largest value, in half precision to 8 roundings of it."""
    if not isinstance(found, Tensor) or not isinstance(expected, Tensor) or found.shape != expected.shape:
        return False
    return bool((found - expected).abs().max() <= _tolerance(found) * expected.abs().max())


def _tolerance(values: Tensor) -> float:
    return max(TOLERANCE, ROUNDINGS * torch.finfo(values.dtype).eps)


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output
