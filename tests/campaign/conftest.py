"""Bad input is refused: one line that names it, a non-zero exit, and every file as it was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ttame.cli.main import main

SMALL = {
    "data": {"source": "shapes", "roots": {}, "lists": {}, "counts": {"train": 24, "validation": 6, "evaluation": 4}},
    "backbones": ["shapes_cnn"],
    "methods": {"training_free": ["center", "rise"], "trained": ["ttame"]},
}

Refused = Callable[..., str]


def _digests() -> dict[Path, str]:
    files = (path for path in Path().rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder with the experiment `small`, entered."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/small.yaml").write_text(yaml.safe_dump(SMALL))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused(folder: Path, capsys) -> Refused:
    """Run a command that has to be refused; its message."""

    def run(*arguments: str, names: tuple[str, ...] = ()) -> str:
        before = _digests()
        capsys.readouterr()
        try:
            code: object = main(arguments)
        except SystemExit as stop:
            code = stop.code
        assert code not in (0, None), f"accepted without a word: {arguments}"
        text: str = capsys.readouterr().err
        lines = text.splitlines()
        assert len(lines) == 1, text
        assert lines[0].startswith("ttame: ")
        assert "a defect of ttame" not in lines[0], text
        assert len(lines[0]) < 500, text
        assert [name for name in names if name not in lines[0]] == [], text
        assert {path: digest for path, digest in _digests().items() if path in before} == before
        return lines[0]

    return run
