from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from ttame.store import digests
from ttame.store.digests import content_digest, file_digest


def test_a_file_is_known_by_what_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"first")
    assert content_digest(file) == file_digest(file) == hashlib.sha256(b"first").hexdigest()
    file.write_bytes(b"other")  # as long as before
    os.utime(file, (1, 1))
    assert content_digest(file) == hashlib.sha256(b"other").hexdigest()
    file.rename(tmp_path / "elsewhere.bin")
    assert content_digest(tmp_path / "elsewhere.bin") == hashlib.sha256(b"other").hexdigest()


def test_a_file_that_stays_is_read_once(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"first")
    expected = content_digest(file)

    def read_again(_: Path) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(digests, "file_digest", read_again)
    assert content_digest(file) == expected
    file.write_bytes(b"longer than before")
    with pytest.raises(AssertionError, match="read again"):
        content_digest(file)


def test_a_folder_is_known_by_what_a_model_is_read_from(tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", "README.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".git").mkdir()
    first = content_digest(tmp_path)
    (tmp_path / "README.md").write_text("other words")
    (tmp_path / ".git/config.json").write_text("{}")
    assert content_digest(tmp_path) == first
    (tmp_path / "model.safetensors").write_text("other tensors")
    second = content_digest(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "preprocessor_config.json")
    assert len({first, second, content_digest(tmp_path)}) == 3
