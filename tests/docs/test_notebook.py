"""The notebooks run, and what they hold is what the package gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..conftest import REPOSITORY

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
LARGEST = 300_000
"""Bytes."""


def _outputs(notebook) -> list[list[str]]:
    """The kinds of what each cell of code gives."""
    return [
        [kind for output in cell.outputs for kind in sorted(output.get("data", {}))]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_small_and_was_run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < LARGEST
    assert sum(map(bool, _outputs(notebook))) >= 3
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}, "no error, no warning"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_gives_what_it_shows(path: Path, monkeypatch) -> None:
    from scripts.run_notebooks import executed

    monkeypatch.chdir(REPOSITORY)
    assert _outputs(executed(path)) == _outputs(nbformat.read(path, as_version=4))
