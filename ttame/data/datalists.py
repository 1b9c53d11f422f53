"""Datalists: text files with one `path label` a line, the format of the published lists. See datalist/README.md."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttame.data.sources import UNKNOWN_LABEL, Entry, open_source
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import SPLITS, Split
from ttame.store.artifacts import write_text


def read_datalist(path: Path) -> list[Entry]:
    """Entries of a datalist. A line may leave the label out; blank lines are skipped.

    Raises:
        TTameError: naming the file and the line, when it is missing, empty, not text, names an image twice, or has a
            label that is no whole number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise TTameError(f"{path}: no such datalist; run the datalists stage, or mend data.lists") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise TTameError(f"{path}: not a text file; expected one `path label` a line") from None
    entries: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, label = _parse_line(line, f"{path}:{number}")
        if name in entries:
            raise TTameError(f"{path}:{number}: {name} is listed twice; remove one of the lines")
        entries[name] = label
    if not entries:
        raise TTameError(f"{path}: the datalist is empty; expected one `path label` a line")
    return list(entries.items())


def _parse_line(line: str, where: str) -> Entry:
    name, _, last = line.strip().rpartition(" ")
    if not name:
        return last, UNKNOWN_LABEL
    try:
        return name.strip(), int(last)
    except ValueError:
        raise TTameError(
            f"{where}: malformed line {line.strip()!r}; expected `path label` with a whole number (-1 when unknown)"
        ) from None


def read_names(path: Path) -> list[str]:
    """Names of a datalist's images, without the labels: every stage uses the model truth instead."""
    return [name for name, _ in read_datalist(path)]


def write_datalist(path: Path, entries: Sequence[Entry]) -> None:
    """Write a datalist atomically."""
    write_text(path, "".join(f"{name} {label}\n" for name, label in entries))


def make_datalists(data: DataSettings) -> dict[Split, list[Entry]]:
    """The three lists of an experiment: read where a list is given, drawn where not, and disjoint.

    The draw orders the images of a folder by a hash of seed and name, so it does not depend on the order in which a
    folder is listed, and an image more or less leaves the rest of the draw as it was.

    Raises:
        TTameError: when two splits share an image, or a folder holds too few.
    """
    lists: dict[Split, list[Entry]] = {}
    given: dict[Split, Path] = {split: Path(path) for split in SPLITS if (path := data.lists[split]) is not None}
    for split, list_path in given.items():
        entries = read_datalist(list_path)
        lists[split] = entries[: _count(data, split, len(entries), str(list_path))]
    # Evaluation first: asking for more training images never changes what the methods are compared on.
    for split in ("evaluation", "validation", "train"):
        if split not in given:
            lists[split] = _draw(data, split, lists)
    _check_disjoint(data, lists)
    return {split: lists[split] for split in SPLITS}


def _count(data: DataSettings, split: Split, there_are: int, where: str) -> int:
    wanted = data.counts[split]
    if wanted is None:
        return there_are
    if wanted > there_are:
        raise TTameError(
            f"{where}: data.counts.{split} asks for {wanted} images but {there_are} are left; lower it, or use null"
        )
    return wanted


def _draw(data: DataSettings, split: Split, others: Mapping[Split, Sequence[Entry]]) -> list[Entry]:
    taken = {name for other, entries in others.items() if _same_folder(data, split, other) for name, _ in entries}
    candidates = [entry for entry in open_source(data, split).available() if entry[0] not in taken]

    def drawn_order(entry: Entry) -> bytes:
        return hashlib.sha256(f"{data.seed}:{entry[0]}".encode()).digest()

    candidates.sort(key=drawn_order)
    drawn = candidates[: _count(data, split, len(candidates), str(data.roots[split] or data.source))]
    if not drawn:
        raise TTameError(f"{data.roots[split]}: no image is left for the {split} list; lower the other data.counts")
    return drawn


def _same_folder(data: DataSettings, one: Split, other: Split) -> bool:
    first, second = data.roots[one], data.roots[other]
    if first is None or second is None:
        return first is second
    if data.source == "ilsvrc" and (one == "train") != (other == "train"):
        return False
    return Path(first).expanduser().resolve() == Path(second).expanduser().resolve()


def _check_disjoint(data: DataSettings, lists: Mapping[Split, Sequence[Entry]]) -> None:
    for index, one in enumerate(SPLITS):
        for other in SPLITS[index + 1 :]:
            if not _same_folder(data, one, other):
                continue
            shared = {name for name, _ in lists[one]} & {name for name, _ in lists[other]}
            if shared:
                raise TTameError(
                    f"data.lists: {len(shared)} images are in both the {one} and the {other} list, "
                    f"{min(shared)} for one; take them out of one of the lists"
                )
