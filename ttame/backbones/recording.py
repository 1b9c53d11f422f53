"""Running a classifier again from one of its layers on.

What a layer's output cannot change is played back instead of computed: every module that finished before the layer
returns what it returned the first time. Residual connections around the layer, such as a transformer's skip path, get
the recorded values too, so nothing has to be known of the architecture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ttame.backbones.hooks import hooked
from ttame.backbones.layout import Layout
from ttame.backbones.playback import has_batch, mapped, playing, versions
from ttame.errors import TTameError


@dataclass
class _Call:
    """One call of a module that finishes before the layer, in a part of the network that the layer is not in.

    Attributes:
        module: what was called.
        ordinal: how many of its calls finished before this one, among them calls in parts that are played back whole.
        changed: whether the network changes the output in place later on, so that a copy must be recorded.
        changed_in_rerun: whether it does so in a rerun, where the changing module may be played back itself.
    """

    module: nn.Module
    ordinal: int
    changed: bool = False
    changed_in_rerun: bool = False


class _Finished(NamedTuple):
    """A call as it ended, with the versions of its output then."""

    module: nn.Module
    ordinal: int
    output: Any
    versions: list[int]

    def planned(self) -> _Call:
        return _Call(self.module, self.ordinal, versions(self.output) != self.versions)


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
        activation: the layer's output, (B, ...), or (B, C, h, w) where it is shown in a layout.
    """

    images: Tensor
    logits: Tensor
    _output: Tensor
    _model: nn.Module
    _plan: Plan
    _outputs: Sequence[Any]
    _layout: Layout | None = None

    @property
    def activation(self) -> Tensor:
        return self._output if self._layout is None else self._layout.to_maps(self._output)

    def shown_in(self, layout: Layout) -> Recording:
        """The same, whose activations, also those of a rerun, are (B, C, h, w) maps."""
        return replace(self, _layout=layout)

    def of(self, index: int) -> Recording:
        """The recording of one image, which `rerun` takes with any number of activations."""
        batch = len(self.images)

        def pick(output: Any) -> Any:
            return mapped(output, lambda tensor: tensor[index : index + 1] if has_batch(tensor, batch) else tensor)

        images, logits, output = (pick(tensor) for tensor in (self.images, self.logits, self._output))
        return replace(self, images=images, logits=logits, _output=output, _outputs=[pick(o) for o in self._outputs])

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
                if has_batch(tensor, batch):
                    tensor = tensor.expand(wanted, *tensor.shape[1:])
                return tensor.clone() if call.changed_in_rerun else tensor

            return mapped(output, one)

        if self._layout is not None:
            activation = self._layout.replace_maps(self._output, activation)
        layer = self._plan.layer
        played = [
            (call.module, give(output, call)) for call, output in zip(self._plan.before, self._outputs, strict=True)
        ]
        replacement = activation.clone() if layer.changed_in_rerun else activation
        with playing([*played, (layer.module, replacement)]):
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
    calls: list[list[_Finished]] = [[]]
    found: list[_Finished] = []
    finished: Counter[nn.Module] = Counter()

    def enter(module: nn.Module, _: object) -> None:
        if not found:
            calls.append([])

    def leave(module: nn.Module, _: object, output: Any) -> None:
        if found:
            return
        calls.pop()
        call = _Finished(module, finished[module], output, versions(output))
        finished[module] += 1
        if module is layer:
            found.append(call)
        else:
            calls[-1].append(call)

    inside = [module for module in model.modules() if module is not model]
    entering = (module.register_forward_pre_hook(enter) for module in inside)
    leaving = (module.register_forward_hook(leave) for module in inside)
    with hooked(chain(entering, leaving)):
        logits = model(images)
    if not found or not isinstance(found[0].output, Tensor):
        given = type(found[0].output).__name__ if found else "nothing, since the forward pass does not use it"
        raise TTameError(f"layer {name!r} gives {given}; expected a layer whose output is one tensor")
    before = [call for frame in calls for call in frame]
    plan = Plan([call.planned() for call in before], found[0].planned())
    _try(plan, model, images, logits, name)
    return plan


def record(model: nn.Module, plan: Plan, images: Tensor) -> Recording:
    """A forward pass of (B, 3, H, W) images that can be run again from the plan's layer."""
    wanted = {(call.module, call.ordinal): call for call in (*plan.before, plan.layer)}
    outputs: dict[tuple[nn.Module, int], Any] = {}
    finished: Counter[nn.Module] = Counter()

    def keep(module: nn.Module, _: object, output: Any) -> None:
        place = (module, finished[module])
        finished[module] += 1
        if place in wanted:
            outputs[place] = mapped(output, torch.clone) if wanted[place].changed else output

    with hooked(module.register_forward_hook(keep) for module, _ in wanted):
        logits = model(images)
    before = [outputs[call.module, call.ordinal] for call in plan.before]
    return Recording(images, logits, outputs[plan.layer.module, plan.layer.ordinal], model, plan, before)


def _try(plan: Plan, model: nn.Module, images: Tensor, logits: Tensor, name: str) -> None:
    """Run again with what was recorded; mark what the rerun changes in place."""
    recording = record(model, plan, images)
    copies = [mapped(output, torch.clone) for output in recording._outputs]
    activation = recording.activation.clone()
    before_rerun = [versions(copy) for copy in copies]
    version = versions(activation)
    played = [(call.module, copy) for call, copy in zip(plan.before, copies, strict=True)]
    with playing([*played, (plan.layer.module, activation)]):
        again = model(images)
    if not torch.allclose(again, logits, rtol=1e-4, atol=1e-4, equal_nan=True):
        raise TTameError(
            f"layer {name!r}: running the classifier again from it gives other logits; choose another layer"
        )
    for call, copy, before in zip(plan.before, copies, before_rerun, strict=True):
        call.changed_in_rerun = versions(copy) != before
    plan.layer.changed_in_rerun = versions(activation) != version
