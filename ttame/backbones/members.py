"""Classifiers that see the image side by side, as an ensemble's members do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from ttame.backbones.hooks import hooked
from ttame.backbones.probing import probing_images

LEAST_SHARE = 0.05
"""Of the weights. Stems and patch embeddings that see the image side by side (CrossViT) have 1 %."""


@torch.no_grad()
def members(model: nn.Module, input_size: tuple[int, int], gives_map: Callable[[str], bool]) -> list[str]:
    """The modules of which each makes something of the image, without a look at what the others make of it.

    Args:
        model: the classifier, in eval mode.
        input_size: (H, W).
        gives_map: whether the module of a name gives what can be a map of the image.

    Returns:
        Their names in the order in which they run, two or more; none for a classifier that is one.
    """
    modules = {name: module for name, module in model.named_modules() if name}
    able = {name: module for name, module in modules.items() if _can_be_one(name, module, model, gives_map)}
    if len(able) < 2:
        return []
    order: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda _, given, options: order.append(name) if _image(given, options) is not None else None

    _run(model, input_size, {able[name]: note(name) for name in able})
    seeing = list(dict.fromkeys(order))
    inner = [name for name in seeing if not any(other.startswith(f"{name}.") for other in seeing)]
    if len(inner) < 2:
        return []
    chained = {after for before, after in combinations(inner, 2) if _reaches(model, input_size, able, before, after)}
    alone = [name for name in inner if name not in chained]
    return alone if len(alone) > 1 else []


def _can_be_one(name: str, module: nn.Module, model: nn.Module, gives_map: Callable[[str], bool]) -> bool:
    """Whether it has its share of the weights in layers of its own, and ends in numbers and not in a map."""
    layers = [part for part in module.modules() if part is not module and (part._parameters or part._buffers)]
    if gives_map(name) or len(layers) < 2:
        return False
    own, all_of_them = (sum(p.numel() for p in part.parameters()) for part in (module, model))
    return own > LEAST_SHARE * all_of_them


def _image(given: Sequence[Any], options: Mapping[str, Any]) -> Tensor | None:
    """What of a module's inputs is an image, of whatever size."""
    tensors = [one for one in (*given, *options.values()) if isinstance(one, Tensor)]
    return next((tensor for tensor in tensors if tensor.ndim == 4 and tensor.shape[1] == 3), None)


def _reaches(
    model: nn.Module, input_size: tuple[int, int], modules: Mapping[str, nn.Module], before: str, after: str
) -> bool:
    """Whether what one module gives is in the image that another sees: a chain, and no two members."""
    leaves: list[Tensor] = []
    seen: list[Tensor] = []

    def cut(_: nn.Module, __: object, output: object) -> object:
        if not isinstance(output, Tensor):
            return output
        leaves.append(output.detach().requires_grad_())
        return leaves[-1].clone()

    def look(_: nn.Module, given: Sequence[Any], options: Mapping[str, Any]) -> None:
        image = _image(given, options)
        seen.extend([] if image is None else [image])

    with hooked([modules[before].register_forward_hook(cut)]), torch.enable_grad():
        _run(model, input_size, {modules[after]: look})
    return bool(leaves) and any(image.requires_grad for image in seen)


def _run(model: nn.Module, input_size: tuple[int, int], looks: Mapping[nn.Module, Callable[..., None]]) -> None:
    with hooked(module.register_forward_pre_hook(look, with_kwargs=True) for module, look in looks.items()):
        model(probing_images(input_size, like=model)[:1])
