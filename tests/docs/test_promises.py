"""The tests that docs/promises.md names are there."""

from __future__ import annotations

import re

import pytest

from ..conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "promises.md").read_text(encoding="utf-8")
ROWS = [row for row in PAGE.splitlines() if row.startswith("|")][2:]
NAMED = [named for row in ROWS for named in row.rstrip(" |").rsplit("| ", 1)[1].split(", ")]


def test_there_are_promises() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("named", NAMED)
def test_a_promise_names_a_test(named: str) -> None:
    found = re.fullmatch(r"`(tests/[^:`]+)(?:::(\w+))?`", named)
    assert found, f"{named} is no test"
    path = REPOSITORY / found[1]
    files = list(path.glob("test_*.py")) if path.is_dir() else [path]
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    assert re.search(rf"^def {found[2] or 'test_'}", code, re.MULTILINE), f"no such test: {named}"
