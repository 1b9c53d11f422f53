"""Snakemake and DVC on two clones of a tiny experiment: the same bytes, and nothing to do after the other."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout, shell

pytestmark = pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Path:
    """A repository with the working tree's files and the params of a tiny experiment."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    tiny = tiny_params(params)
    tiny["backbones"] = ["shapes_vit"]
    tiny["methods"]["training_free"] = ["center"]
    tiny["methods"]["on_transformers"] = {"backbones": ["shapes_vit"], "training_free": ["lrp"], "trained": []}
    return copy_checkout(tmp_path_factory.mktemp("engines") / "origin", tiny)


def _clone(origin: Path, name: str) -> Path:
    folder = origin.parent / name
    shell(origin.parent, "git", "clone", "--quiet", str(origin), str(folder))
    return folder


def _make(folder: Path, target: str, check: bool = True) -> str:
    return shell(folder, "make", f"VENV={sys.prefix}", target, check=check)


def _hashes(folder: Path) -> dict[str, str]:
    """Digest of every result but the measurements and the page that shows them."""
    files = [path for path in (folder / "results/tiny").rglob("*") if path.is_file()]
    files = [path for path in files if "cost" not in str(path) and path.name != "index.html"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def by_snakemake(origin: Path) -> Path:
    folder = _clone(origin, "by_snakemake")
    refused = _make(folder, "sync-to-dvc", check=False)
    assert "Snakemake still has work to do" in refused
    shell(folder, "snakemake", "--cores", "2")
    _make(folder, "sync-to-dvc")
    return folder


@pytest.fixture(scope="module")
def by_dvc(origin: Path) -> Path:
    folder = _clone(origin, "by_dvc")
    refused = _make(folder, "sync-to-snakemake", check=False)
    assert "DVC is not up to date" in refused
    shell(folder, "dvc", "repro")
    _make(folder, "sync-to-snakemake")
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
def test_both_engines_build_the_same_bytes(by_snakemake: Path, by_dvc: Path) -> None:
    expected = _hashes(by_snakemake)
    assert len(expected) == 6 + 2 + 3 + 3 + 3 + 1 + 8
    assert _hashes(by_dvc) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "key", "value", "stages"),
    [
        (
            ("metrics", "road"),
            "noise",
            0.02,
            {"scores", "scores_on_transformers", "scores_trained", "tables", "page"},
        ),
        (("report",), "seed", 2, {"tables", "page"}),
        (("explainers", "center"), "sigma", 0.3, {"maps", "sanity"}),
        (("attention", "ttame", "learning_rate"), "shapes_vit", 0.03, {"train"}),
        (("attention", "ttame", "learning_rate"), "shapes_cnn", 0.03, set()),
        (("explainers", "lrp"), "start_layer", 1, {"maps_on_transformers", "sanity_on_transformers"}),
        (("execution",), "batch_size", 5, set()),
    ],
)
def test_change_of_one_key_reruns_what_depends_on_it(
    by_snakemake: Path, section: tuple[str, ...], key: str, value: Any, stages: set[str]
) -> None:
    path = by_snakemake / "params.yaml"
    before = path.read_text()
    params = inner = yaml.safe_load(before)
    for part in section:
        inner = inner[part]
    inner[key] = value
    path.write_text(yaml.safe_dump(params))
    try:
        changed_in_dvc = shell(by_snakemake, "dvc", "status")
        dry_run = shell(by_snakemake, "snakemake", "--dry-run")
    finally:
        path.write_text(before)
    directly = {line.split("@")[0] for line in changed_in_dvc.splitlines() if "@" in line and not line.startswith("\t")}
    assert directly == stages
    jobs = {line.removeprefix("rule ").rstrip(":") for line in dry_run.splitlines() if line.startswith("rule ")} - {
        "all"
    }
    assert stages <= jobs
    assert bool(jobs) == bool(stages)
    if stages == {"maps", "sanity"}:
        assert jobs == {"maps", "scores", "sanity", "figure", "tables", "page", "cost"}, "of center alone"


@pytest.mark.slow
def test_pulled_results_need_no_work(origin: Path, by_snakemake: Path) -> None:
    remote = origin.parent / "remote"
    shell(by_snakemake, "dvc", "remote", "add", "--default", "--force", "local", str(remote))
    shell(by_snakemake, "dvc", "push")
    shell(by_snakemake, "git", "add", "--all")
    shell(by_snakemake, "git", "commit", "--quiet", "--message", "results")
    folder = origin.parent / "pulled"
    shell(origin.parent, "git", "clone", "--quiet", str(by_snakemake), str(folder))
    shell(folder, "dvc", "pull")
    _make(folder, "sync-to-snakemake")
    assert "Nothing to be done" in shell(folder, "snakemake", "--dry-run")
    assert "up to date" in shell(folder, "dvc", "repro")
    assert _hashes(folder) == _hashes(by_snakemake)
