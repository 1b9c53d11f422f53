"""Batch norm over the images of all processes that train one mechanism."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


class _SumOfProcesses(torch.autograd.Function):
    """A tensor summed over all processes, and its gradient likewise."""

    @staticmethod
    def forward(_: Any, part: Tensor) -> Tensor:
        return _sum(part)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _sum(gradient)


def _sum(part: Tensor) -> Tensor:
    total = part.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose batch is the whole one, so that 2 processes with 16 images train as 1 with 32.

    PyTorch's own `SyncBatchNorm` does this on GPUs alone; with one process this is `nn.BatchNorm2d` itself. All
    processes must have as many images.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, h, w)."""
        processes = distributed.get_world_size() if distributed.is_initialized() else 1
        if processes == 1 or not self.training:
            return super().forward(maps)
        exact = maps.float()
        axes = (0, 2, 3)
        mean: Tensor = _SumOfProcesses.apply(exact.mean(axes)) / processes
        centred = exact - mean[:, None, None]
        variance: Tensor = _SumOfProcesses.apply(centred.square().mean(axes)) / processes
        self._remember(mean, variance, processes * maps.numel() // maps.shape[1])
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(maps.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        self.num_batches_tracked += 1
