from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from ttame.errors import TTameError
from ttame.store import scratch
from ttame.store.artifacts import atomic_path, reading, write_text
from ttame.store.scratch import Scratch


def test_failure_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file.txt"
    write_text(target, "old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_without_a_number_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"file\.parquet") as raised, atomic_path(tmp_path / "file.parquet"):
        raise OSError("error closing file")  # as pyarrow says it
    assert raised.value.errno == errno.EIO


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "Input/output error"),
        PermissionError(errno.EACCES, "Permission denied", "part"),
        OSError("Stale file handle (os error 116)"),
        SafetensorError("I/O error: Input/output error (os error 5)"),
        RuntimeError("unable to open file <file> in read-only mode: Stale file handle (116)"),
        RuntimeError("Error closing file <file>: Permission denied (13)"),
    ],
    ids=str,
)
def test_a_disk_that_fails_is_no_broken_file(error) -> None:
    with (
        pytest.raises(TTameError, match=r"^results/file: cannot be read \(.*\); run the same command"),
        reading(Path("results/file")),
    ):
        raise error


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file"), ValueError("no JSON")], ids=str)
def test_what_is_not_there_and_what_is_broken_is_said_by_its_reader(error) -> None:
    with pytest.raises(type(error)) as raised, reading(Path("results/file")):
        raise error
    assert raised.value is error


def test_others_may_read_what_is_written(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "text")
    assert (tmp_path / "file.txt").stat().st_mode & 0o444 == 0o444


def test_pieces_belong_to_one_identity(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "ROOT", tmp_path)
    one = Scratch(Path("maps/a"), {"share": 10})
    one.save(3, {"values": torch.arange(4)})
    again = Scratch(Path("maps/a"), {"share": 10}).load(3)
    assert again is not None
    assert torch.equal(again["values"], torch.arange(4))
    assert Scratch(Path("maps/a"), {"share": 20}).load(3) is None
    assert Scratch(Path("maps/b"), {"share": 10}).load(3) is None
    assert one.load(2) is None


def test_broken_piece_is_computed_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "ROOT", tmp_path)
    pieces = Scratch(Path("maps/a"), {})
    pieces.save(0, {"values": torch.arange(4)})
    next(pieces.folder.iterdir()).write_bytes(b"broken")
    assert pieces.load(0) is None
    pieces.clear()
    assert not pieces.folder.exists()


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, new = (tmp_path / f".file.txt.node.0123456{digit}.tmp" for digit in "78")
    other = tmp_path / ".other.txt.node.01234567.tmp"
    for path in (old, new, other):
        path.write_text("rest")
    for path in (old, other):
        os.utime(path, (0, 0))
    write_text(tmp_path / "file.txt", "text")
    assert not old.exists()
    assert new.exists()
    assert other.exists()
