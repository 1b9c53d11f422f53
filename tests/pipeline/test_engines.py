"""Snakemake and DVC on two clones of a tiny experiment: the same bytes, and nothing to do after the other."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.backbones import shapes
from ttame.cli.arguments import PARTED

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from ..warm_starts import warm_starts
from .changes import CHANGES, WEIGHTS
from .checkout import BINARIES, copy_checkout, hashes, make, shell

PARTS = 3
"""Jobs that Snakemake shares the images of a pair among; DVC has one, and the results are the same bytes."""

pytestmark = pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A repository with the working tree's files and the params of a tiny experiment."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    tiny = tiny_params(params)
    tiny["backbones"] = ["shapes_vit", "shapes_cnn"]
    tiny["methods"] |= {"training_free": ["center", "gradcam", "lrp"], "trained": ["tame"]}
    tiny["attention"]["tame"]["recipe"] |= {"epochs": 2, "batch_size": 8}
    tiny["report"]["reference"] = "tame"
    tiny["models"]["shapes_cnn"]["weights"] = WEIGHTS
    tiny["execution"]["parts"] = PARTS
    return copy_checkout(tmp_path_factory.mktemp("engines") / "origin", tiny)


def _clone(origin: Path, name: str) -> Path:
    folder = origin.parent / name
    shell(origin.parent, "git", "clone", "--quiet", str(origin), str(folder))
    shutil.copy(shapes.WEIGHTS / "shapes_cnn.safetensors", folder / WEIGHTS)
    return folder


@pytest.fixture(scope="module")
def by_snakemake(origin: Path) -> Path:
    folder = _clone(origin, "by_snakemake")
    refused = make(folder, "sync-to-dvc", check=False)
    assert "Snakemake still has work to do" in refused
    shell(folder, "snakemake", "--cores", "2")
    make(folder, "sync-to-dvc")
    return folder


@pytest.fixture(scope="module")
def by_dvc(origin: Path) -> Path:
    folder = _clone(origin, "by_dvc")
    refused = make(folder, "sync-to-snakemake", check=False)
    assert "DVC is not up to date" in refused
    with warm_starts(folder):  # DVC starts no server, and seventy starts of Python would take a minute here
        shell(folder, "dvc", "repro")
    make(folder, "sync-to-snakemake")
    return folder


@pytest.mark.slow
def test_after_snakemake_dvc_has_nothing_to_do(by_snakemake: Path) -> None:
    assert "up to date" in shell(by_snakemake, "dvc", "repro")
    assert "Nothing to be done" in shell(by_snakemake, "snakemake", "--dry-run")


@pytest.mark.slow
def test_after_dvc_snakemake_has_nothing_to_do(by_dvc: Path) -> None:
    assert "Nothing to be done" in shell(by_dvc, "snakemake", "--dry-run")
    assert "up to date" in shell(by_dvc, "dvc", "status")


@pytest.mark.slow
def test_dvc_shows_a_short_row_of_metrics_for_each_pair(by_snakemake: Path) -> None:
    lines = shell(by_snakemake, "dvc", "metrics", "show").splitlines()
    heading, *rows = [line.split() for line in lines if line.strip()]
    assert heading == ["Path", "ad_100", "adcc", "deletion", "ic_100", "insertion", "road_lerf", "road_morf"]
    pairs = {tuple(Path(row[0]).with_suffix("").parts[-2:]): row[1:] for row in rows}
    methods = ("center", "gradcam", "lrp", "tame")
    assert set(pairs) == {(backbone, method) for backbone in ("shapes_cnn", "shapes_vit") for method in methods}
    assert pairs["shapes_cnn", "lrp"] == ["-"] * 7
    assert all(len(line) < 150 for line in lines)


@pytest.mark.slow
def test_both_engines_build_the_same_bytes(by_snakemake: Path, by_dvc: Path) -> None:
    expected = hashes(by_snakemake)
    assert len(expected) == 6 + (8 + 2) + 1 + 4 + 8 + 8 + 8 + 2 + 8 + 2 + 2 + (10 + 8) + 1
    assert hashes(by_dvc) == expected


@pytest.mark.slow
def test_a_part_that_failed_and_was_mended_makes_nothing_anew(by_snakemake: Path) -> None:
    """What a part was made of under code that is gone says nothing of the code that is there."""
    broken = by_snakemake / "ttame/explainers/center.py"
    before = broken.read_text()
    broken.write_text(before + "\nraise RuntimeError\n")
    try:
        output = shell(by_snakemake, "snakemake", "--cores", "2", "--keep-going", check=False)
        assert "maps shapes_cnn center --part" in output
    finally:
        broken.write_text(before)
    assert "Nothing to be done" in shell(by_snakemake, "snakemake", "--dry-run")


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 8])
def test_another_number_of_parts_makes_nothing_anew(by_snakemake: Path, parts: int) -> None:
    params = by_snakemake / "params.yaml"
    before = params.read_text()
    params.write_text(_replaced(before.encode(), f"parts: {PARTS}", f"parts: {parts}").decode())
    try:
        assert "Nothing to be done" in shell(by_snakemake, "snakemake", "--dry-run")
    finally:
        params.write_text(before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "change", "directly", "all_jobs"),
    CHANGES,
)
def test_one_change_reruns_exactly_its_dependents(
    by_snakemake: Path,
    file: str,
    change: tuple[str, str] | None,
    directly: dict[str, int],
    all_jobs: dict[str, int] | None,
) -> None:
    """`change`: None for the last byte; `directly`: the jobs of DVC that depend on it; `all_jobs`: and what follows."""
    path = by_snakemake / file
    before = path.read_bytes()
    path.write_bytes(_with_another_last_byte(before) if change is None else _replaced(before, *change))
    try:
        _write_specifications(by_snakemake)
        status = shell(by_snakemake, "dvc", "status")
        dry_run = shell(by_snakemake, "snakemake", "--dry-run")
    finally:
        path.write_bytes(before)
        _write_specifications(by_snakemake)
    stages = Counter(line.split("@")[0] for line in status.splitlines() if re.match(r"\w+@", line))
    assert {stage: count for stage, count in stages.items() if stage != "specifications"} == directly
    planned = {stage: int(count) for stage, count in re.findall(r"^(\w+) +(\d+)$", dry_run, re.MULTILINE)}
    parts = {stage.removesuffix("_part"): planned.pop(stage) for stage in list(planned) if stage.endswith("_part")}
    jobs = {stage: count for stage, count in planned.items() if stage not in {"all", "total", "specifications"}}
    assert jobs == (directly if all_jobs is None else all_jobs)
    assert parts == {stage: PARTS * count for stage, count in jobs.items() if stage.split("_")[0] in PARTED}


def _replaced(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text
    return text.replace(old.encode(), new.encode(), 1 if "target_layer" in old else -1)  # of the first backbone alone


def _with_another_last_byte(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def _write_specifications(folder: Path) -> None:
    """What `dvc repro` does first, and all that DVC has to see anew to tell what depends on a change."""
    shell(folder, sys.executable, "-m", "ttame", "specifications")


@pytest.mark.slow
def test_dvc_sees_other_weights_by_itself(by_snakemake: Path) -> None:
    path = by_snakemake / WEIGHTS
    before = path.read_bytes()
    path.write_bytes(_with_another_last_byte(before))
    try:
        status = shell(by_snakemake, "dvc", "status", "specifications").split()
    finally:
        path.write_bytes(before)
    assert status == ["specifications@tiny:", "changed", "deps:", "modified:", "models"]


@pytest.mark.slow
def test_changes_that_were_taken_back_leave_nothing_to_do(by_snakemake: Path) -> None:
    assert "Nothing to be done" in shell(by_snakemake, "snakemake", "--dry-run")
    assert "up to date" in shell(by_snakemake, "dvc", "status")


@pytest.mark.slow
def test_pulled_results_need_no_work(origin: Path, by_snakemake: Path) -> None:
    remote = origin.parent / "remote"
    shell(by_snakemake, "dvc", "remote", "add", "--default", "--force", "local", str(remote))
    shell(by_snakemake, "dvc", "push")
    shell(by_snakemake, "git", "add", "--all")
    shell(by_snakemake, "git", "commit", "--quiet", "--message", "results")
    folder = origin.parent / "pulled"
    shell(origin.parent, "git", "clone", "--quiet", str(by_snakemake), str(folder))
    shutil.copy(by_snakemake / WEIGHTS, folder / WEIGHTS)
    shell(folder, "dvc", "pull")
    make(folder, "sync-to-snakemake")
    assert "Nothing to be done" in shell(folder, "snakemake", "--dry-run")
    assert "up to date" in shell(folder, "dvc", "repro")
    assert hashes(folder) == hashes(by_snakemake)
