"""The loop over a stage's work that goes on where a killed run was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from ttame.runtime.progress import progress
from ttame.store.scratch import Scratch

Piece = Mapping[str, Tensor]
Work = Callable[[list[int], Callable[[int], object]], Iterator[Piece]]


def finish_pieces(
    scratch: Scratch,
    sizes: Sequence[int],
    work: Work,
    title: str,
    *,
    mine: Sequence[int] | None = None,
    shown: bool = True,
    what: str = "images",
) -> dict[int, Piece]:
    """Do what is missing of a stage's work, and keep each piece as soon as it is done.

    Args:
        scratch: where finished pieces are kept.
        sizes: images of every piece.
        work: given the numbers of the missing pieces and a function to call with the number of images just done, yields
            these pieces in order.
        title: of the progress bar.
        mine: numbers of the pieces that this process does, all by default.
        shown: whether there is a progress bar.
        what: the bar counts.

    Returns:
        The pieces of this process by number, in order.
    """
    numbers = list(range(len(sizes)) if mine is None else mine)
    found: dict[int, Piece] = {number: kept for number in numbers if (kept := scratch.load(number)) is not None}
    missing = [number for number in numbers if number not in found]
    with progress(sum(sizes[number] for number in numbers), title, what, shown=shown) as bar:
        bar.update(sum(sizes[number] for number in found))
        for number, piece in zip(missing, work(missing, bar.update), strict=True):
            scratch.save(number, piece)
            found[number] = piece
    return {number: found[number] for number in numbers}
