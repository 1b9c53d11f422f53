"""The loop over a stage's work that goes on where a killed run was, alone or as one of several jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from torch import Tensor

from ttame.errors import TTameError
from ttame.runtime.progress import progress
from ttame.store.scratch import Scratch

Piece = Mapping[str, Tensor]
Work = Callable[[list[int], Callable[[int], object]], Iterator[Piece]]


@dataclass(frozen=True)
class Part:
    """One of `count` jobs that share the pieces of a stage, from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """
        >>> Part.parse("3/8")
        Part(number=3, count=8)

        Raises:
            TTameError: when it is no part.
        """
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
        if found is None or int(found[1]) > int(found[2]):
            raise TTameError(f"--part {text}: expected the number of a part and how many there are, such as 3/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """
        >>> str(Part(3, 8))
        '3/8'
        """
        return f"{self.number}/{self.count}"

    def of(self, pieces: int) -> range:
        """Its share of so many pieces, none where there are more parts than pieces.

        >>> [list(Part(number, 3).of(4)) for number in (1, 2, 3)]
        [[0], [1], [2, 3]]
        """
        return range(pieces * (self.number - 1) // self.count, pieces * self.number // self.count)


class Pieces(Sequence[Piece]):
    """Finished pieces in order, read from the disk when they are asked for: who goes through them holds one at a time.

    Raises:
        TTameError: when a piece is no longer there.
    """

    def __init__(self, scratch: Scratch, numbers: Sequence[int]) -> None:
        self._scratch, self._numbers = scratch, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Piece: ...
    @overload
    def __getitem__(self, place: slice) -> Pieces: ...
    def __getitem__(self, place: int | slice) -> Piece | Pieces:
        if isinstance(place, slice):
            return Pieces(self._scratch, self._numbers[place])
        piece = self._scratch.load(self._numbers[place])
        if piece is None:
            raise TTameError(
                f"{self._scratch.folder}: piece {self._numbers[place]} was finished and is gone, as when the same "
                "command ran twice; run it again"
            )
        return piece


def finish_pieces(
    scratch: Scratch,
    sizes: Sequence[int],
    work: Work,
    title: str,
    *,
    mine: Sequence[int] | None = None,
    shown: bool = True,
    what: str = "images",
) -> Pieces:
    """Do what is missing of a stage's work, and keep each piece on the disk as soon as it is done.

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
        The pieces of this process.
    """
    numbers = list(range(len(sizes)) if mine is None else mine)
    missing = [number for number in numbers if scratch.load(number) is None]
    with progress(sum(sizes[number] for number in numbers), title, what, shown=shown) as bar:
        bar.update(sum(sizes[number] for number in numbers) - sum(sizes[number] for number in missing))
        for number, piece in zip(missing, work(missing, bar.update), strict=True):
            scratch.save(number, piece)
    return Pieces(scratch, numbers)
