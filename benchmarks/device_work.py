"""What a computation asks of its device, counted from PyTorch's calls: kernels, waits of the host, bytes copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

WAITS = frozenset(
    f"aten::{name}"
    for name in (
        "_local_scalar_dense",
        "equal",
        "is_nonzero",
        "masked_select",
        "nonzero",
        "_unique2",
        "unique_consecutive",
        "unique_dim",
    )
)
"""Whose result, or its shape, the host has to see before it goes on."""
ALLOCATIONS = frozenset(f"aten::{name}" for name in ("empty", "empty_like", "empty_strided", "new_empty", "detach"))


@dataclass
class DeviceWork:
    """Counts of one computation; bytes are those that cross between host and device, either way."""

    launches: int = 0
    waits: int = 0
    bytes: int = 0


class CountingMode(TorchDispatchMode):
    """Counts into `work` while it is entered.

    An operation is one launch here, whatever it takes on a GPU; views and allocations are none.

    Args:
        accelerator: whether a tensor is on the device that is asked about.
    """

    def __init__(self, accelerator: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.work = DeviceWork()
        self._accelerator = accelerator

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self._count(func, _tensors(args, kwargs), _tensors(result))
        return result

    def _count(self, func: Any, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        before, after = [[self._accelerator(tensor) for tensor in tensors] for tensors in (inputs, outputs)]
        if not (any(before) or any(after)):
            return
        name = func.name().partition(".")[0]
        crosses = name in ("aten::_to_copy", "aten::copy_") and not (all(before) and all(after))
        if crosses:
            self.work.bytes += outputs[0].numel() * outputs[0].element_size()
        to_host = (name == "aten::copy_" and not before[0]) or (name == "aten::_to_copy" and not after[0])
        by_mask = name in ("aten::index", "aten::index_put_") and any(t.dtype == torch.bool for t in inputs[1:])
        if name in WAITS or by_mask or (crosses and to_host):
            self.work.waits += 1
        if not func.is_view and name not in ALLOCATIONS:
            self.work.launches += 1


def _tensors(*trees: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(trees) if isinstance(leaf, Tensor)]


def device_work(work: Callable[[], object], accelerator: Callable[[Tensor], bool]) -> DeviceWork:
    """What a call asks of the device; its own backward passes are part of it."""
    with CountingMode(accelerator) as counting:
        work()
    return counting.work
