"""Running a classifier again from one of its layers on.

What a layer's output cannot change is played back instead of computed: every module that finished before the layer
returns what it returned the first time. Residual connections around the layer, such as a transformer's skip path, get
the recorded values too, so nothing has to be known of the architecture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ttame.errors import TTameError


@dataclass
class _Call:
    """One call of a module that finishes before the layer, in a part of the network that the layer is not in.

    Attributes:
        module: what was called.
        changed: whether the network changes the output in place later on, so that a copy must be recorded.
        changed_in_rerun: whether it does so in a rerun, where the changing module may be played back itself.
    """

    module: nn.Module
    changed: bool = False
    changed_in_rerun: bool = False


@dataclass
class Plan:
    """What to record of a forward pass to run again from `layer`: the calls before it and the layer itself."""

    before: list[_Call]
    layer: _Call


@dataclass(frozen=True)
class Recording:
    """A forward pass from which a layer's output can be replaced.

    Attributes:
        images: (B, 3, H, W) that went in.
        logits: (B, K).
        activation: the layer's output, (B, ...).
    """

    images: Tensor
    logits: Tensor
    activation: Tensor
    _model: nn.Module
    _plan: Plan
    _outputs: Sequence[Any]

    def of(self, index: int) -> Recording:
        """The recording of one image, which `rerun` takes with any number of activations."""
        batch = len(self.images)

        def pick(output: Any) -> Any:
            return _mapped(output, lambda tensor: tensor[index : index + 1] if _has_batch(tensor, batch) else tensor)

        images, logits, activation = (pick(tensor) for tensor in (self.images, self.logits, self.activation))
        return Recording(images, logits, activation, self._model, self._plan, [pick(o) for o in self._outputs])

    def rerun(self, activation: Tensor) -> Tensor:
        """Logits when the layer gives `activation` instead; gradients reach it.

        Args:
            activation: (B, ...), one for each recorded image, or any number (n, ...) for a recording of one image.

        Returns:
            (B or n, K).
        """
        batch, wanted = len(self.images), len(activation)
        if batch not in (1, wanted):
            raise ValueError(f"{wanted} activations for {batch} recorded images; expected as many, or one image")

        def give(output: Any, call: _Call) -> Any:
            def one(tensor: Tensor) -> Tensor:
                if _has_batch(tensor, batch):
                    tensor = tensor.expand(wanted, *tensor.shape[1:])
                return tensor.clone() if call.changed_in_rerun else tensor

            return _mapped(output, one)

        layer = self._plan.layer
        played = [
            (call.module, give(output, call)) for call, output in zip(self._plan.before, self._outputs, strict=True)
        ]
        replacement = activation.clone() if layer.changed_in_rerun else activation
        with _playing([*played, (layer.module, replacement)]):
            logits: Tensor = self._model(self.images.expand(wanted, *self.images.shape[1:]))
        return logits


@torch.no_grad()
def plan_rerun(model: nn.Module, layer: nn.Module, images: Tensor, name: str) -> Plan:
    """Find out what has to be recorded, by one forward pass and a trial rerun of it.

    Args:
        model: the classifier.
        layer: the module whose output will be replaced.
        images: (B, 3, H, W), any.
        name: of the layer, for the error.

    Raises:
        TTameError: when the layer is not used, gives no tensor, or the rerun does not give the same logits.
    """
    calls: list[list[tuple[nn.Module, Any, list[int]]]] = [[]]
    found: list[tuple[nn.Module, Any, list[int]]] = []

    def enter(module: nn.Module, _: object) -> None:
        if not found:
            calls.append([])

    def leave(module: nn.Module, _: object, output: Any) -> None:
        if found:
            return
        calls.pop()
        call = (module, output, _versions(output))
        if module is layer:
            found.append(call)
        else:
            calls[-1].append(call)

    with _hooked(model, enter, leave):
        logits = model(images)
    if not found or not isinstance(found[0][1], Tensor):
        given = type(found[0][1]).__name__ if found else "nothing, since the forward pass does not use it"
        raise TTameError(f"layer {name!r} gives {given}; expected a layer whose output is one tensor")
    before = [call for frame in calls for call in frame]
    plan = Plan(
        [_Call(m, _versions(o) != v) for m, o, v in before], _Call(layer, _versions(found[0][1]) != found[0][2])
    )
    _try(plan, model, images, logits, name)
    return plan


def record(model: nn.Module, plan: Plan, images: Tensor) -> Recording:
    """A forward pass of (B, 3, H, W) images that can be run again from the plan's layer."""
    outputs: dict[nn.Module, list[Any]] = defaultdict(list)
    wanted = {call.module: call.changed for call in (*plan.before, plan.layer)}

    def keep(module: nn.Module, _: object, output: Any) -> None:
        outputs[module].append(_mapped(output, torch.clone) if wanted[module] else output)

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    try:
        hooks += [module.register_forward_hook(keep) for module in wanted]
        logits = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    activation = outputs[plan.layer.module][0]
    places: dict[nn.Module, Iterator[Any]] = {module: iter(given) for module, given in outputs.items()}
    return Recording(images, logits, activation, model, plan, [next(places[call.module]) for call in plan.before])


def _try(plan: Plan, model: nn.Module, images: Tensor, logits: Tensor, name: str) -> None:
    """Run again with what was recorded; mark what the rerun changes in place."""
    recording = record(model, plan, images)
    copies = [_mapped(output, torch.clone) for output in recording._outputs]
    activation = recording.activation.clone()
    versions = [_versions(copy) for copy in copies]
    version = _versions(activation)
    played = [(call.module, copy) for call, copy in zip(plan.before, copies, strict=True)]
    with _playing([*played, (plan.layer.module, activation)]):
        again = model(images)
    if not torch.allclose(again, logits, rtol=1e-4, atol=1e-4, equal_nan=True):
        raise TTameError(
            f"layer {name!r}: running the classifier again from it gives other logits; choose another layer"
        )
    for call, copy, before in zip(plan.before, copies, versions, strict=True):
        call.changed_in_rerun = _versions(copy) != before
    plan.layer.changed_in_rerun = _versions(activation) != version


@contextmanager
def _playing(results: Sequence[tuple[nn.Module, Any]]) -> Iterator[None]:
    """Each module returns its results, in order, instead of computing; after the last of them it computes again."""
    queues: dict[nn.Module, list[Any]] = defaultdict(list)
    for module, result in results:
        queues[module].append(result)
    own = {module: module.__dict__.get("forward") for module in queues}

    def player(original: Callable[..., Any], queue: Iterator[Any]) -> Callable[..., Any]:
        def forward(*inputs: Any, **options: Any) -> Any:
            for result in queue:
                return result
            return original(*inputs, **options)

        return forward

    try:
        for module, queue in queues.items():
            module.__dict__["forward"] = player(module.forward, iter(queue))
        yield
    finally:
        for module, forward in own.items():
            module.__dict__.pop("forward", None)
            if forward is not None:
                module.__dict__["forward"] = forward


@contextmanager
def _hooked(model: nn.Module, enter: Callable[..., None], leave: Callable[..., None]) -> Iterator[None]:
    hooks: list[torch.utils.hooks.RemovableHandle] = []
    try:
        for module in model.modules():
            if module is not model:
                hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _mapped(output: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """`function` of every tensor of a module's output."""
    if isinstance(output, Tensor):
        return function(output)
    if isinstance(output, tuple | list):
        return type(output)(_mapped(part, function) for part in output)
    if isinstance(output, dict):
        return type(output)({key: _mapped(part, function) for key, part in output.items()})
    return output


def _versions(output: Any) -> list[int]:
    """How often each tensor of an output has been changed in place."""
    found: list[int] = []

    def look(tensor: Tensor) -> Tensor:
        found.append(tensor._version)
        return tensor

    _mapped(output, look)
    return found


def _has_batch(tensor: Tensor, batch: int) -> bool:
    """Whether the first axis counts images; what a module gives without one is the same for all of them."""
    return tensor.ndim > 0 and tensor.shape[0] == batch
