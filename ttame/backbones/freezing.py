"""What becomes of a classifier before it is explained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FrozenBatchNorm(nn.Module):
    """A batch norm in eval mode, y = x * scale + shift in one pass over the memory.

    The same function as `nn.BatchNorm2d` in eval mode up to rounding, but its gradient is one multiplication: PyTorch's
    own also sums over the whole map, for parameters that nobody trains (a sixth of a training step on a CPU).

    Args:
        norm: the batch norm to replace.
        after: what its module also applies, such as the activation of timm's `BatchNormAct2d`.
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, norm: nn.BatchNorm2d, after: nn.Module) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        ones, zeros = torch.ones_like(norm.running_mean), torch.zeros_like(norm.running_mean)
        self.register_buffer("weight", ones if norm.weight is None else norm.weight.detach().clone())
        self.register_buffer("bias", zeros if norm.bias is None else norm.bias.detach().clone())
        self.register_buffer("running_mean", norm.running_mean.clone())
        self.register_buffer("running_var", norm.running_var.clone())
        self.eps = norm.eps
        self.after = after
        self._made: tuple[tuple[Any, ...], tuple[Tensor, ...], tuple[Tensor, Tensor]] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C, h, w)."""
        scale, shift = self._scale_and_shift(maps.dtype)
        result: Tensor = self.after(torch.addcmul(shift, maps, scale))
        return result

    def _scale_and_shift(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Of the statistics as they are; kept, since they are five kernels a layer, 265 of ResNet-50's 440."""
        if torch.compiler.is_compiling():  # which keeps what does not change by itself, and cannot follow an id
            return self._compute(dtype)
        buffers = (self.weight, self.bias, self.running_mean, self.running_var)
        made_of = (dtype, *((id(buffer), buffer._version) for buffer in buffers))
        if self._made is None or self._made[0] != made_of:
            with torch.inference_mode(False):  # where they may be asked for first, while a later pass has a gradient
                both = self._compute(dtype)
            # The buffers too: an id is another tensor's once its own is gone.
            self._made = made_of, buffers, both
        return self._made[2]

    def _compute(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        # Half precision keeps its statistics in float32, and its maps must stay half.
        return scale.to(dtype).view(1, -1, 1, 1), shift.to(dtype).view(1, -1, 1, 1)


def freeze_batch_norms(model: nn.Module) -> None:
    """Replace every batch norm with statistics of its own, wherever it sits; its name stays."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.BatchNorm2d) or child.running_mean is None:
                continue
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, FrozenBatchNorm(child, nn.Identity()))
            elif type(child).__name__ == "BatchNormAct2d" and type(child).__module__.startswith("timm."):
                # timm's, which is not imported here because it costs two seconds that other models need not pay.
                applied: Any = child
                setattr(parent, name, FrozenBatchNorm(child, nn.Sequential(applied.drop, applied.act)))


def keep_inputs(model: nn.Module) -> None:
    """No module changes its input: an in-place ReLU would overwrite the feature map that was just handed out."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            setattr(module, "inplace", False)  # noqa: B010, no class declares it


def take_logarithm(model: nn.Module) -> None:
    """A classifier that gives probabilities gives logits: softmax(log p) = p.

    At the model itself and not around it, so that a part of it that runs again gives logits too.
    """
    model.register_forward_hook(_logarithm)


def _logarithm(model: nn.Module, inputs: object, output: object) -> object:
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return output
    # The clamp keeps a probability of 0 finite.
    return output.clamp_min(torch.finfo(output.dtype).tiny).log()
