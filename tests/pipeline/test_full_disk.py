"""A folder of results that is full at several places of a run, then read-only, in both engines, on a disk in memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .checkout import BINARIES, shell
from .killed_runs import ENGINES, Files, results, tiny_experiment

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed"),
]

FREE = (0, 20_000, 60_000, 120_000, 250_000, 300_000)
"""Bytes that the results of each attempt may take; all of them take more."""

COMMANDS = """
mount -t tmpfs -o size=16m tmpfs results
for free in FREE; do
    fallocate --length $(( $(stat --file-system --format '%a * %S' results) - free )) results/filler
    ENGINE > said.$free 2>&1 && echo succeeded >> said.$free
    rm results/filler
    cp -r results left.$free
done
mount -o remount,ro results
ENGINE > said.read-only 2>&1 && echo succeeded >> said.read-only
mount -o remount,rw results
cp -r results left.read-only
ENGINE
cp -r results left.end
"""


def _can_mount(folder: Path) -> bool:
    command = ["unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("name", ENGINES)
def test_a_full_and_a_read_only_disk_lose_nothing(tmp_path, name) -> None:
    if not _can_mount(tmp_path):
        pytest.skip("nothing can be mounted here")
    folder = tiny_experiment(tmp_path, ["center"])
    (folder / "results").mkdir()
    script = COMMANDS.replace("FREE", " ".join(map(str, FREE))).replace("ENGINE", " ".join(ENGINES[name]))
    shell(folder, "unshare", "--mount", "--map-root-user", "sh", "-ec", script)
    whole = _left(folder, "end")
    before: Files = {}
    for place in (*FREE, "read-only"):
        said, left = (folder / f"said.{place}").read_text(), _left(folder, str(place))
        print(place, len(left), said)
        assert left == {path: whole[path] for path in left}, place
        assert before.keys() <= left.keys(), place
        assert "succeeded" not in said, place
        assert "Traceback" not in said, said
        expected = "Read-only file system" if place == "read-only" else "no space left on the disk"
        assert expected in said, said
        before = left
    assert len(whole) > len(before)


def _left(folder: Path, place: str) -> Files:
    found = results(folder, f"left.{place}")
    return {path.relative_to(f"left.{place}"): content for path, content in found.items() if path.name != "filler"}
