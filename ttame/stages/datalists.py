"""Stage: decide which images are used, and check that every one of them opens."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ttame.artifacts import atomic_path
from ttame.data.datalists import make_datalists, write_datalist
from ttame.data.sources import Entry, ImageSource, open_source
from ttame.errors import TTameError
from ttame.progress import progress
from ttame.settings import SPLITS, Settings, Split
from ttame.stages.paths import contents_file, list_file


def run(settings: Settings) -> None:
    """Write `<split>.txt` and `<split>.images.csv` for the three splits.

    Raises:
        TTameError: naming the first image that does not open and how many there are.
    """
    lists = make_datalists(settings.data)
    contents = {}
    for split in SPLITS:
        source = open_source(settings.data, split)
        contents[split] = _digests(source, lists[split], split, settings.execution.workers)
    for split in SPLITS:
        _write_contents(contents_file(settings, split), contents[split])
        write_datalist(list_file(settings, split), lists[split])


def _digests(source: ImageSource, entries: Sequence[Entry], split: Split, workers: int) -> list[tuple[str, str]]:
    """Name and SHA-256 of the decoded pixels of every image."""
    broken: list[str] = []

    def digest(entry: Entry) -> str:
        try:
            image = source.load(entry[0])
        except TTameError as error:
            broken.append(str(error))
            return ""
        return hashlib.sha256(image.tobytes()).hexdigest()

    names = [name for name, _ in entries]
    digests = []
    with ThreadPoolExecutor(max(1, workers)) as pool, progress(len(names), f"check {split}", "images") as bar:
        for value in pool.map(digest, entries):
            digests.append(value)
            bar.update()
    if broken:
        more = f" (and {len(broken) - 1} more images of the {split} list)" if len(broken) > 1 else ""
        raise TTameError(f"{broken[0]}{more}")
    return list(zip(names, digests, strict=True))


def _write_contents(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "sha256"])
        writer.writerows(rows)
