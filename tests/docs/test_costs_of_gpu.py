"""The costs of the H200 are those of docs/gpu.md, and docs/cluster.md has what a plan says by them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttame.cli.main import main
from ttame.explainers.registry import EXPLAINERS

from ..conftest import REPOSITORY

GPU = (REPOSITORY / "docs/gpu.md").read_text(encoding="utf-8")
CLUSTER = (REPOSITORY / "docs/cluster.md").read_text(encoding="utf-8")
COSTS: dict[str, dict[str, Any]] = json.loads((REPOSITORY / "benchmarks/h200.json").read_text())["costs"]
BACKBONES = ("vgg16", "resnet50", "vit_b_16")
METHODS = {entry.title: str(name) for name, entry in EXPLAINERS.items()}


def _rows(section: str) -> list[list[str]]:
    """Cells of the first table below a heading of gpu.md."""
    table = re.search(rf"^## {section}\n[\s\S]*?\n((?:\|.*\n)+)", GPU, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table[1].splitlines()][2:]


def test_seconds_of_maps() -> None:
    found = 0
    for names, *cells in _rows("Where the time goes"):
        for place, title in enumerate(re.sub(r" \(.*\)", "", names).split("; ")):
            for backbone, cell in zip(BACKBONES, cells[::2], strict=True):
                if cell and title in METHODS:
                    cost = COSTS[backbone][f"map {METHODS[title]}"]
                    assert cost["seconds"] == pytest.approx(float(cell.split("; ")[place]) / 1000, rel=1e-3), title
                    found += 1
    assert found > 30


def test_seconds_of_passes_and_steps() -> None:
    plain = _rows("The classifier's passes")[1]
    batch, *of_32 = _rows("Training")[0]
    assert (plain[0], batch) == ("float32, channels_last", "32")
    for place, backbone in enumerate(BACKBONES):
        assert COSTS[backbone]["forward"]["seconds"] == pytest.approx(float(plain[1 + place]) / 1000)
        assert COSTS[backbone]["train ttame"]["seconds"] == pytest.approx(1 / float(of_32[3 * place]), rel=1e-3)


def test_memory_of_a_training_is_a_line_through_its_batches() -> None:
    """The classifier is in gpu.md's peaks, and comes on top in a plan."""
    rows = np.array([[float(cell) for cell in row] for row in _rows("Training")])
    for place, backbone in enumerate(BACKBONES):
        peaks = rows[:, 3 + 3 * place] * 2**30
        each, fixed = np.polyfit(rows[:, 0], peaks, 1, w=1 / peaks)
        cost, classifier = COSTS[backbone]["train ttame"], COSTS[backbone]["process"]["fixed"]
        assert cost["each"] == pytest.approx(each, rel=1e-3)
        assert cost["fixed"] == pytest.approx(fixed - classifier, rel=1e-3)
        assert classifier + cost["fixed"] + 32 * cost["each"] == pytest.approx(peaks[0], rel=0.025)


@pytest.mark.slow
def test_the_plan_of_many_images_is_the_one_that_the_page_shows(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "experiments", "experiments")
    use, plan = re.findall(r"^python -m ttame ((?:use paper|plan .*--costs) .*)$", CLUSTER, re.MULTILINE)
    assert main(shlex.split(use)) == 0
    capsys.readouterr()
    assert main(shlex.split(plan.replace("benchmarks/", f"{REPOSITORY}/benchmarks/"))) == 0
    said, warned = capsys.readouterr()
    assert "warning" not in warned
    tables = re.findall(r"^\| (?:Stage|execution\.parts) .*\n(?:\|.*\n)+", CLUSTER, re.MULTILINE)
    assert len(tables) == 2
    assert all(table in said for table in tables), said[said.index("Where the time goes") :]
    words = " ".join(CLUSTER.split())
    for pattern in (r"where the work over the devices is [0-9.]+ h", r"The longest jobs: .*"):
        told = re.search(pattern, said)
        assert told is not None
        assert told[0] in words
