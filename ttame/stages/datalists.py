"""Stage: decide which images are used, and check that every one of them opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ttame.data.contents import digest_of, write_contents
from ttame.data.copies import without_copies
from ttame.data.datalists import make_datalists, write_datalist
from ttame.data.dataset import in_order
from ttame.data.sources import Entry, open_source
from ttame.errors import TTameError
from ttame.params.section import SPLITS, Split
from ttame.params.settings import Settings
from ttame.stages.pieces import finish_pieces
from ttame.store.paths import contents_file, list_file
from ttame.store.scratch import Scratch

PIECE = 10_000
"""Images between two states that a killed check goes on from."""


def run(settings: Settings) -> None:
    """Write `<split>.txt` and `<split>.images.csv` for the three splits.

    Raises:
        TTameError: naming the first image that does not open and how many there are, or an image of a given list that
            is a copy of one in another.
    """
    lists = make_datalists(settings.data)
    checked = {split: _digests(settings, split, lists[split]) for split in SPLITS}
    contents = without_copies(settings.data, checked)
    for split in SPLITS:
        kept = {name for name, _ in contents[split]}
        write_contents(contents_file(settings, split), contents[split])
        write_datalist(list_file(settings, split), [entry for entry in lists[split] if entry[0] in kept])
    for split in SPLITS:
        _scratch(settings, split, lists[split]).clear()


def _scratch(settings: Settings, split: Split, entries: Sequence[Entry]) -> Scratch:
    return Scratch(contents_file(settings, split), {"data": settings.data.model_dump(), "entries": entries})


def _digests(settings: Settings, split: Split, entries: Sequence[Entry]) -> list[tuple[str, bytes]]:
    """Name and SHA-256 of the decoded pixels of every image."""
    source = open_source(settings.data, split)
    names = [name for name, _ in entries]
    source.refuse_missing(names, f"data: the {split} list")
    pieces = in_order(len(names), PIECE)
    broken: list[str] = []

    def digest(name: str) -> bytes:
        try:
            image = source.load(name)
        except TTameError as error:
            broken.append(str(error))
            return b""
        return digest_of(image)

    def check(missing: list[int], advance: Callable[[int], object]) -> Iterator[dict[str, Tensor]]:
        with ThreadPoolExecutor(max(1, settings.execution.workers)) as pool:
            for number in missing:
                found = []
                for value in pool.map(digest, [names[index] for index in pieces[number]]):
                    found.append(list(value))
                    advance(1)
                if broken:
                    more = f" (and {len(broken) - 1} more images of the {split} list)" if len(broken) > 1 else ""
                    raise TTameError(f"{broken[0]}{more}")
                yield {"sha256": torch.tensor(found, dtype=torch.uint8)}

    checked = finish_pieces(
        _scratch(settings, split, entries), [len(piece) for piece in pieces], check, f"check {split}"
    )
    digests = [bytes(row) for piece in checked for row in piece["sha256"].tolist()]
    return list(zip(names, digests, strict=True))
