"""In which precision the classifier sees the perturbed images; everything around it stays in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, ParamSpec

import torch
from torch import Tensor

InnerPrecision = Literal["float32", "bfloat16"]
P = ParamSpec("P")


def in_precision(run: Callable[P, Tensor], precision: InnerPrecision, device: torch.device) -> Callable[P, Tensor]:
    """Passes of a classifier in a precision.

    Args:
        run: gives (n, K) logits.
        precision: float32 leaves `run` as it is; bfloat16 runs its convolutions and matrix products in it (autocast).
        device: of the classifier.

    Returns:
        The same with logits in float32, 4 to 7 times as fast on a GPU that computes in bfloat16 (`docs/gpu.md`).
    """
    if precision == "float32":
        return run

    def half(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return run(*args, **kwargs).float()

    return half
