"""docs/python.md, run from its text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ..api.conftest import files, small_cnn
from ..conftest import REPOSITORY

GUIDE = (REPOSITORY / "docs/python.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = BLOCK.findall(GUIDE)
QUICK = {"input_size=224": "input_size=32", "masks=2000": "masks=20", "epochs=4": "epochs=1"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_guide_runs_from_its_text(dtype, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    random = np.random.default_rng(0)
    for name in ("cat", "dog", *"abcdef"):
        Image.fromarray(random.integers(0, 255, (40, 48, 3), np.uint8)).save(f"photos/{name}.jpg")
    before = files(tmp_path)
    names: dict[str, Any] = {"my_module": small_cnn(dtype)}
    assert len(BLOCKS) == 7
    for block in BLOCKS:
        exec(_quick(block), names)
    assert names["result"].saliency.dtype == dtype
    assert names["explainer"].method == "ttame"
    assert set(files(tmp_path)) - set(before) == {"cat.png", "mine.safetensors"}
    assert Image.open("cat.png").size == (32, 32)


def test_what_is_made_quicker_is_there() -> None:
    assert all(GUIDE.count(slow) == 1 for slow in QUICK if slow != "masks=2000"), "or the test runs something else"
    assert 'masks=2000)\nresult = explainer("photos/cat.jpg")' in GUIDE


def test_the_readme_has_the_guides_example() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## From Python\n")[2].partition("\n## ")[0]
    lines = [line for block in BLOCK.findall(section) for line in block.splitlines() if line]
    assert "docs/python.md" in section
    assert lines
    for line in lines:
        assert line in GUIDE, "a line that no test runs"


def _quick(block: str) -> str:
    for slow, quick in QUICK.items():
        block = block.replace(slow, quick)
    return block
