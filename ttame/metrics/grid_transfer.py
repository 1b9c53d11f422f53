"""From a grid to the next coarser one, of every other row and column, and back by linear interpolation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def coarsen(stencils: Tensor) -> Tensor:
    """Galerkin product with linear interpolation, along columns and then along rows: (P, 3, 3, h, w), half the size."""
    columns = torch.stack(_coarsen_line(*stencils.unbind(2)), dim=2)
    lines = (part.transpose(-1, -2) for part in columns.unbind(1))
    return torch.stack([part.transpose(-1, -2) for part in _coarsen_line(*lines)], dim=1).contiguous()


def _coarsen_line(before: Tensor, centre: Tensor, after: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Along the last axis, from the coefficients of x - 1, x, x + 1 at every x to those at every other x.

    A point between two nodes belongs to both by half. It links them by its own coefficient (a quarter, half times half)
    and by those between it and either node.
    """
    length = centre.shape[-1]
    node_before, node_centre, node_after = (part[..., ::2] for part in (before, centre, after))
    odd_before, odd_centre, odd_after = (part[..., 1::2] for part in (before, centre, after))
    between = node_centre.shape[-1] - 1
    quarter = odd_centre[..., :between] / 4
    up = (node_after[..., :between] + odd_after[..., :between]) / 2 + quarter
    down = (node_before[..., 1:] + odd_before[..., :between]) / 2 + quarter
    own = node_centre.clone()
    own[..., :-1] += (node_after[..., :between] + odd_before[..., :between]) / 2 + quarter
    own[..., 1:] += (node_before[..., 1:] + odd_after[..., :between]) / 2 + quarter
    if length % 2 == 0:  # beyond the last node values are the node's
        own[..., -1] += node_after[..., -1] + odd_before[..., -1] + odd_centre[..., -1]
    return functional.pad(down, (1, 0)), own, functional.pad(up, (0, 1))


def interpolate(coarse: Tensor, size: tuple[int, int]) -> Tensor:
    """Linear interpolation from every other row and column to all, (P, C, h, w) to (P, C, *size)."""
    return _interpolate(_interpolate(coarse, size[1], 3), size[0], 2)


def restrict(fine: Tensor) -> Tensor:
    """The transpose of `interpolate`."""
    return _restrict(_restrict(fine, 2), 3)


def _interpolate(coarse: Tensor, length: int, dim: int) -> Tensor:
    shape = list(coarse.shape)
    shape[dim] = length
    fine = coarse.new_empty(shape)
    line, nodes = fine.movedim(dim, 0), coarse.movedim(dim, 0)
    line[::2] = nodes
    line[1 : 2 * len(nodes) - 1 : 2] = (nodes[:-1] + nodes[1:]) / 2
    if length % 2 == 0:
        line[-1] = nodes[-1]
    return fine


def _restrict(fine: Tensor, dim: int) -> Tensor:
    line = fine.movedim(dim, 0)
    nodes, odd = line[::2].clone(), line[1::2] / 2
    between = len(nodes) - 1
    nodes[:between] += odd[:between]
    nodes[1:] += odd[:between]
    if len(line) % 2 == 0:
        nodes[-1] += line[-1]
    return nodes.movedim(0, dim)
