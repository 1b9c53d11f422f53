"""Run the notebooks and keep their outputs: `python -m scripts.run_notebooks`."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path("notebooks")
SECONDS = 600


def executed(path: Path) -> nbformat.NotebookNode:
    """A notebook with new outputs, run in the repository's root; an error in a cell is raised.

    Times and counts of the run are left out, so that running it again changes nothing but what has changed.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":  # warnings of libraries are no output
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(executed(path), path)
