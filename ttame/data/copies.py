"""Photos that are there twice: the same pixels under two names."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import SPLITS, Split

Rows = Sequence[tuple[str, bytes]]
"""Name and digest of every image of a list."""


def without_copies(data: DataSettings, contents: Mapping[Split, Rows]) -> dict[Split, Rows]:
    """The lists without copies of images of another split; evaluation keeps its own, then validation.

    Of a drawn list copies are left out, with a warning. Copies within one list stay, with a warning. The splits of
    ILSVRC were fixed by its authors: their copies stay too, with a warning.

    Raises:
        TTameError: naming both files, when a given list has a copy, or a drawn one nothing else.
    """
    seen: dict[bytes, tuple[Split, str]] = {}
    kept: dict[Split, Rows] = {}
    for split in reversed(SPLITS):
        copies = {name: seen[digest] for name, digest in contents[split] if digest in seen}
        kept[split] = _without(data, split, contents[split], copies)
        seen |= {digest: (split, name) for name, digest in reversed(kept[split]) if digest not in seen}
        inside = len(kept[split]) - len({digest for _, digest in kept[split]})
        if inside:
            _warn(f"{inside} images of the {split} list are copies of others in it")
    return kept


def _without(data: DataSettings, split: Split, rows: Rows, copies: Mapping[str, tuple[Split, str]]) -> Rows:
    if not copies:
        return rows
    name, (other, other_name) = min(copies.items())
    found = f"{len(copies)} images of the {split} list are copies of others, {name} of {other_name} ({other}) for one"
    if data.source == "ilsvrc":
        _warn(found)
        return rows
    if data.lists[split] is not None:
        raise TTameError(f"data.lists.{split}: {found}; take them out of one of the lists")
    if len(copies) == len(rows):
        raise TTameError(
            f"data: {found}, and no image is left; delete the copies, or put others into data.roots.{split}"
        )
    _warn(f"{found}; they are left out")
    return [row for row in rows if row[0] not in copies]


def _warn(line: str) -> None:
    print(f"warning: data: {line}", file=sys.stderr)
