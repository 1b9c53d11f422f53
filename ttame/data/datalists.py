"""Datalists: text files with one `path label` a line, the format of the published lists. See datalist/README.md."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ttame.data.sources import UNKNOWN_LABEL, Entry, ImageSource, open_source
from ttame.errors import TTameError
from ttame.params.data import DataSettings
from ttame.params.section import SPLITS, Split
from ttame.store.artifacts import reading, write_text


def read_datalist(path: Path) -> list[Entry]:
    """Entries of a datalist. A line may leave the label out; blank lines are skipped.

    Raises:
        TTameError: naming the file and the line, when it is missing, empty, not text, names an image twice, or has a
            label that is no whole number.
    """
    no_text = f"{path}: not a text file; expected one `path label` a line"
    try:
        with reading(path):
            lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise TTameError(f"{path}: no such datalist; run the datalists stage, or mend data.lists") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise TTameError(no_text) from None
    if any("\0" in line for line in lines):
        raise TTameError(no_text)
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
    line = line.strip()
    expected = "expected `path label` with a whole number (-1 when unknown)"
    found = re.fullmatch(r"(.*\S)[ \t]+(\S+)", line)
    name, last = found.groups() if found else (line, str(UNKNOWN_LABEL))
    if name.endswith(",") or (not found and re.search(r",-?\d+$", name)):
        raise TTameError(f"{where}: {line!r} has a comma where a blank is expected; {expected}")
    if not re.fullmatch(r"[+-]?[0-9]+", last):
        raise TTameError(f"{where}: malformed line {line!r}; {expected}")
    if len(last) > len(str(2**63)) or not -(2**63) <= int(last) < 2**63:
        raise TTameError(f"{where}: the label {last[:30]} does not fit 64 bits; {expected}")
    return name, int(last)


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
    sources = {split: open_source(data, split) for split in SPLITS}
    lists: dict[Split, list[Entry]] = {}
    taken: dict[str, tuple[Split, str]] = {}
    given: dict[Split, Path] = {split: Path(path) for split in SPLITS if (path := data.lists[split]) is not None}
    for split, list_path in given.items():
        entries = read_datalist(list_path)
        _refuse_outside(list_path, entries)
        lists[split] = entries[: _count(data, split, len(entries), f"{list_path}: ", "listed")]
        _take(split, lists[split], sources[split], taken)
    # Evaluation first: asking for more training images never changes what the methods are compared on.
    for split in ("evaluation", "validation", "train"):
        if split not in given:
            lists[split] = _draw(data, split, sources[split], taken)
            _take(split, lists[split], sources[split], taken)
    return {split: lists[split] for split in SPLITS}


def _refuse_outside(path: Path, entries: Sequence[Entry]) -> None:
    for name, _ in entries:
        if name.startswith("/") or posixpath.normpath(name).split("/")[0] == "..":
            raise TTameError(
                f"{path}: {name} leaves the folder of its images; expected paths relative to data.roots, below it"
            )


def _take(split: Split, entries: Sequence[Entry], source: ImageSource, taken: dict[str, tuple[Split, str]]) -> None:
    """Record which images a split has; refuses one that is there under another name or in another split."""
    shared: dict[Split, list[tuple[str, str]]] = {}
    for name, _ in entries:
        other, other_name = taken.setdefault(source.identity(name), (split, name))
        if (other, other_name) != (split, name):
            shared.setdefault(other, []).append((name, other_name))
    for other, pairs in shared.items():
        name, other_name = min(pairs)
        if other == split:
            raise TTameError(
                f"data.lists.{split}: {name} is listed twice, also as {other_name}; remove one of the lines"
            )
        one, two = sorted((split, other), key=SPLITS.index)
        raise TTameError(
            f"data.lists: {len(pairs)} images are in both the {one} and the {two} list, {name} for one; take them out "
            "of one of the lists"
        )


def _count(data: DataSettings, split: Split, there_are: int, where: str, left: str) -> int:
    wanted = data.counts[split]
    if wanted is None:
        return there_are
    if wanted > there_are:
        raise TTameError(
            f"{where}data.counts.{split} asks for {wanted} images but {there_are} are {left}; lower it, or use null"
        )
    return wanted


def _draw(data: DataSettings, split: Split, source: ImageSource, taken: Mapping[str, tuple[Split, str]]) -> list[Entry]:
    candidates, elsewhere = [], Counter[Split]()
    for entry in source.available():
        if (owner := taken.get(source.identity(entry[0]))) is not None:
            elsewhere[owner[0]] += 1
        else:
            candidates.append(entry)

    def drawn_order(entry: Entry) -> bytes:
        return hashlib.sha256(f"{data.seed}:{entry[0]}".encode()).digest()

    candidates.sort(key=drawn_order)
    folder = data.roots[split] or data.source
    others = " and ".join(f"{count} by {other}" for other in SPLITS if (count := elsewhere[other]))
    left = f"left of {len(candidates) + elsewhere.total()} (taken {others})" if others else "there"
    drawn = candidates[: _count(data, split, len(candidates), f"{folder}: ", left)]
    if not drawn:
        raise TTameError(f"{folder}: no image is {left} for the {split} list; lower the other data.counts")
    return drawn
