"""docs/your_model.md, run from its text."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from ..conftest import REPOSITORY
from .checkout import BINARIES, copy_checkout, shell

GUIDE = REPOSITORY / "docs" / "your_model.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.long
@pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")
def test_guide_runs_from_its_text(tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path / "guide", yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    shutil.copy(REPOSITORY / "params.yaml", folder)  # as `use` composed it
    blocks = BLOCK.findall(GUIDE.read_text())
    assert [kind for kind, _ in blocks] == ["python", "sh", "sh", "yaml", "sh", "sh", "sh", "python"]
    outputs = []
    for kind, text in blocks:
        if kind == "yaml":
            assert len(text.splitlines()) <= 12, "an experiment is short"
            written = (folder / "experiments/mine.yaml").read_text()
            assert yaml.safe_load(written) | yaml.safe_load(text) == yaml.safe_load(text), (
                "it is what `new` wrote, and more"
            )
            (folder / "experiments/mine.yaml").write_text(text)
        else:
            program = [sys.executable] if kind == "python" else [shutil.which("bash") or "bash", "-e"]
            outputs.append(shell(folder, *program, "-c", text, PYTHONPATH=str(folder)))
    _, layers, new, before, results, one, _ = outputs
    assert "| stages.3" in layers
    assert "mine is active" in new
    assert "Plan of `mine`: 17 train, 1 validation, 6 evaluation images" in before
    assert "Suggested maximum: " in before
    assert "T-TAME" in results
    assert str(folder / "results/mine/page/index.html") in results
    assert "Maps of class " in one
    assert np.asarray(Image.open(folder / "one.png")).std() > 0
