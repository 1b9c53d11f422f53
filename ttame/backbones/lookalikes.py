"""What has the shape of a map of the image and is none, and which no agreement of halves can tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.hooks import hooked
from ttame.backbones.probing import LEAST_AGREEMENT, Step, probing_images

LEAST_CHANGE = 1e-3
"""Of tokens, when the positions of the map before them are turned around: relative to how far they differ from their
mean, and to how far another image's map changes them. A map turns with them."""


def without_the_image(model: nn.Module, input_size: tuple[int, int], steps: Sequence[Step]) -> set[str]:
    """The modules whose output does not depend on the image: position embeddings, masks.

    That all images give the same is no proof, since with random weights little of them may be left.
    """
    suspects = {step.name: step.module for step in steps if step.constant and step.agreements}
    found: set[str] = set()

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        return lambda _, __, output: (
            found.add(name) if isinstance(output, Tensor) and not output.requires_grad else None
        )

    if suspects:
        images = probing_images(input_size, like=model)[:1].requires_grad_()
        notes = (module.register_forward_hook(note(name)) for name, module in suspects.items())
        with hooked(notes), torch.enable_grad():
            logits = model(images)
        if not isinstance(logits, Tensor) or not logits.requires_grad:
            return set()  # others say what is wrong with such a classifier
    return found


def pooling_tokens(
    model: nn.Module, input_size: tuple[int, int], steps: Sequence[Step], on_trunk: Callable[[Step], bool]
) -> set[str]:
    """The modules that give tokens of queries, each of which reads the whole image (attention pooling, a Q-Former).

    The last map of the trunk before them is turned around: they stay, since they ask for no place, and tokens of the
    image move. In the place of another image's map they change: it is what they read.
    """
    found: set[str] = set()
    staying: dict[str, set[str]] = {}
    last: Step | None = None
    for step in steps:
        agreed = step.layout is not None and (step.agreements[step.layout] or 0.0) >= LEAST_AGREEMENT
        if len(step.shape) == 3 and step.agreements and last is not None and not (agreed and _as_many(step, last)):
            if last.name not in staying:
                staying[last.name] = _staying_behind(model, input_size, last)
            if step.name in staying[last.name]:
                found.add(step.name)
                continue
        if agreed and on_trunk(step):
            last = step
    return found


def _as_many(step: Step, other: Step) -> bool:
    """Whether both have as many positions."""
    assert step.layout is not None
    assert other.layout is not None
    return step.layout.grid == other.layout.grid


@torch.no_grad()
def _staying_behind(model: nn.Module, input_size: tuple[int, int], step: Step) -> set[str]:
    """The modules whose sequence stays when the positions of a step's map are turned around, and reads this map."""
    layout, is_replaced = step.layout, [False]
    assert layout is not None
    staying: set[str] = set()

    def replace(_: nn.Module, __: object, output: Any) -> Any:
        if not isinstance(output, Tensor) or output.shape[1:] != step.shape[1:]:
            return output  # of another call of the same module, as of a dropout for two branches
        is_replaced[0] = True
        turned = layout.replace_maps(output[:1], layout.to_maps(output[:1]).flip(2, 3))
        return torch.cat([output[:1], turned, output[3:], output[3:]])

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def compare(_: nn.Module, __: object, output: object) -> None:
            if is_replaced[0] and isinstance(output, Tensor) and output.ndim == 3 and len(output) == 4:
                spread = (output[0] - output[0].mean(0)).norm()
                by_turning, by_another = (output[1] - output[0]).norm(), (output[2] - output[0]).norm(dim=1)
                # All of them read it: of tokens that come from elsewhere the class token alone may.
                if by_turning < LEAST_CHANGE * min(spread, len(by_another) * by_another.min()):
                    staying.add(name)

        return compare

    first, second = probing_images(input_size, like=model)[:2]
    notes = (module.register_forward_hook(note(name)) for name, module in model.named_modules() if name)
    with hooked(notes), hooked([step.module.register_forward_hook(replace)]):
        model(torch.stack([first, first, first, second]))
    return staying
