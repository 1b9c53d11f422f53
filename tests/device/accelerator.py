"""A device that is not there: tensors say that they are on it, compute on the CPU, and refuse what a GPU would.

Its name is `meta`, the one name that torch takes without a driver. What a GPU refuses is refused: operations on tensors
of both sides, but for CPU scalars and CPU indices; NumPy's view of a tensor. What a GPU does without a word is counted
by `benchmarks.device_work`: copies between both sides, and waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
COPIES = ("aten::_to_copy", "aten::copy_")
TAKES_CPU_INDICES = ("aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_")


class OnDevice(Tensor):
    """A tensor on the device; `inside` is the CPU tensor that computes for it."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> OnDevice:
        made: OnDevice = Tensor._make_wrapper_subclass(
            cls,
            inside.shape,
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            device=DEVICE,
        )
        made.inside = inside
        return made

    def __repr__(self) -> str:  # type: ignore[override]
        return f"OnDevice({self.inside!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return compute(func, args, dict(kwargs or {}))


class Accelerator(TorchDispatchMode):
    """While it is entered, what is made on `DEVICE` is an `OnDevice`."""

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return compute(func, args, dict(kwargs or {}))


def compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """One operation, where it belongs."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [isinstance(tensor, OnDevice) for tensor in tensors]
    name, wanted = func.name().partition(".")[0], kwargs.get("device")
    if any(there) and name not in COPIES:
        _refuse_mixture(name, tensors, there)
    if wanted is not None:
        kwargs["device"] = torch.device("cpu")
    to_device = wanted is not None and torch.device(wanted).type == DEVICE.type
    stays = bool(tensors) and there[0] if name == "aten::copy_" else any(there) and wanted is None
    result = func(*tree_map(_inside, args), **tree_map(_inside, kwargs))
    if not (to_device or stays):
        return result
    wrapped = tree_map(lambda part: OnDevice(part) if isinstance(part, Tensor) else part, result)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if any(there) else wrapped


def _inside(part: Any) -> Any:
    return part.inside if isinstance(part, OnDevice) else part


def _refuse_mixture(name: str, tensors: list[Tensor], there: list[bool]) -> None:
    for place, (tensor, on_device) in enumerate(zip(tensors, there, strict=True)):
        index = name in TAKES_CPU_INDICES and place > 0 and there[0]
        if not on_device and tensor.ndim > 0 and not index:
            raise RuntimeError(
                f"{name}: expected all tensors on one device, but found one of shape {tuple(tensor.shape)} on the CPU"
            )
