"""The mechanism of P-TAME: that of TAME, its branches enlarged by repeated doubling."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ttame.attention.mechanism import AttentionMechanism


class DoublingMechanism(AttentionMechanism):
    """One map a class, of the size of the first feature set, whatever that is (P-TAME, IEEE OJSP 2025).

    Every branch is doubled, bilinearly, until it has that size; from the second doubling on that is not the same as one
    resize. As in `AttentionMechanism` the branches are fused before they are enlarged, which is the same function.
    """

    def _output_size(self, branch: Tensor) -> tuple[int, ...]:
        return tuple(branch.shape[2:])

    def _resized(self, maps: Tensor, size: tuple[int, ...]) -> Tensor:
        for _ in range(doublings(tuple(maps.shape[2:]), size)):
            maps = functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
        return maps


def doublings(size: tuple[int, ...], target: tuple[int, ...]) -> int:
    """How often a (height, width) is doubled to become `target`.

    Raises:
        ValueError: when no number of doublings does it.
    """
    count = (target[0] // size[0]).bit_length() - 1
    if count < 0 or tuple(length << count for length in size) != target:
        raise ValueError(f"{_text(size)} is not brought to {_text(target)} by doubling")
    return count


def _text(size: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in size)
