"""Code of the user's is imported and run as in its folder, and leaves the import path as it made it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings

BUILD = "def build():\n    from sibling import shapes_cnn\n    return shapes_cnn()\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """Entered, and not on the import path, as under the console script."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    for module in ("mine", "sibling"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (tmp_path / "sibling.py").write_text("from ttame.backbones.shapes import shapes_cnn\n")
    return tmp_path


def _load(folder: Path, source: str, model: str = "mine:build") -> None:
    (folder / "mine.py").write_text(source)
    sys.modules.pop("mine", None)
    load_backbone("x", ModelSettings(model=model, weights="none"))


def test_a_function_may_import_what_lies_beside_it_when_it_is_called(folder: Path) -> None:
    before = list(sys.path)
    _load(folder, BUILD)
    assert sys.path == before


def test_what_the_users_code_adds_to_the_path_stays_and_nothing_else(folder: Path) -> None:
    before = list(sys.path)
    _load(folder, "import sys\nsys.path.insert(0, '/of/the/user')\n" + BUILD)
    assert sys.path == ["/of/the/user", *before]
    sys.path.insert(0, str(folder))
    _load(folder, BUILD)
    assert sys.path == [str(folder), "/of/the/user", *before], "what was there before is not taken away"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nowhere\n", r"importing mine:build raised ModuleNotFoundError at .*mine\.py:1: No module named"),
        ("from os import nothing\n", r"importing mine:build raised ImportError at .*mine\.py:1: cannot import name"),
        ("import os\nos.nothing\n", r"importing mine:build raised AttributeError at .*mine\.py:2: "),
        ("", r"cannot import 'mine:build' \(.*no attribute 'build'\); expected package\.module:function"),
    ],
)
def test_an_error_inside_a_module_names_its_line(source: str, said: str, folder: Path) -> None:
    with pytest.raises(TTameError, match=rf"^models\.x\.model: {said}"):
        _load(folder, source)


@pytest.mark.parametrize("model", ["elsewhere:build", "mine.inner:build"])
def test_a_module_that_is_not_there_is_said_so(model: str, folder: Path) -> None:
    with pytest.raises(TTameError, match=rf"cannot import '{model}' \(No module named .*expected package\.module"):
        _load(folder, BUILD, model)
