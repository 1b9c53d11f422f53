"""Attention rolled out over the layers of a transformer (Abnar and Zuidema, ACL 2020)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def roll_out(layers: Iterable[Tensor], normalise_rows: bool) -> Tensor:
    """(A_last + I) ... (A_first + I), each factor's rows divided by their sum if asked for.

    Args:
        layers: (B, N, N) of each layer, the first layer first.
        normalise_rows: whether rows sum to 1.

    Returns:
        (B, N, N).
    """
    product: Tensor | None = None
    for layer in layers:
        factor = layer + torch.eye(layer.shape[-1], dtype=layer.dtype, device=layer.device)
        if normalise_rows:
            factor = factor / factor.sum(-1, keepdim=True)
        product = factor if product is None else factor @ product
    if product is None:
        raise ValueError("no layers to roll out")
    return product
