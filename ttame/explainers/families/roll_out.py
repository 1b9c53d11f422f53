"""Attention rolled out over the layers of a transformer (Abnar and Zuidema, ACL 2020)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def roll_out(layers: Iterable[Tensor], normalise_rows: bool) -> Tensor:
    """(A_last + I) ... (A_first + I), each factor's rows divided by their sum if asked for.

    A layer that pools is multiplied as it is: its query is no token, so no skip path leads from a token to it, and the
    sum of its only row is a factor of the whole map.

    Args:
        layers: (B, N, N) of each layer, the first layer first; the last may be attention pooling's (B, 1, N).
        normalise_rows: whether rows sum to 1.

    Returns:
        (B, N, N), or (B, 1, N) behind attention pooling.
    """
    product: Tensor | None = None
    for layer in layers:
        factor = layer
        if layer.shape[-2] == layer.shape[-1]:
            factor = layer + torch.eye(layer.shape[-1], dtype=layer.dtype, device=layer.device)
            if normalise_rows:
                factor = factor / factor.sum(-1, keepdim=True)
        product = factor if product is None else factor @ product
    if product is None:
        raise ValueError("no layers to roll out")
    return product
