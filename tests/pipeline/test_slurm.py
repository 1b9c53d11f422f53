"""A parted experiment on Slurm, of which a node is taken away."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout, shell
from .cluster import is_installed, jobs, take_away, two_nodes

PLUGIN = "snakemake_executor_plugin_slurm"
COMMAND = ["snakemake", "--workflow-profile", "profiles/slurm"]
"""As docs/cluster.md says it."""
IMPATIENT = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"]
WITHOUT_DATABASE = ["--slurm-status-command", "squeue"]
"""Slurm's accounting would need one."""
TABLES = "results/tiny/tables/results.csv"
LEAST_JOBS = 6
"""Of parts, on the node that is left."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not is_installed(), reason="needs Slurm, and root to start it"),
    pytest.mark.skipif(importlib.util.find_spec(PLUGIN) is None, reason=f"needs {PLUGIN.replace('_', '-')}"),
]


@pytest.fixture
def checkouts(tmp_path: Path, params: dict[str, Any]) -> dict[int, Path]:
    """A checkout by its number of parts."""
    found = {}
    for parts in (1, 3):
        settings = tiny_params(params)
        settings["methods"]["training_free"] = ["random", "gradcam", "rise"]
        settings["data"]["counts"]["evaluation"] = 24
        settings["explainers"]["rise"]["masks"] = 500
        settings["execution"]["parts"] = parts
        (folder := tmp_path / f"{parts}").mkdir()
        found[parts] = copy_checkout(folder, settings)
    return found


def test_a_node_is_taken_away_and_the_tables_are_those_of_one_job(checkouts: dict[int, Path], tmp_path: Path) -> None:
    shell(checkouts[1], "snakemake", "--cores", "2", TABLES)
    (tmp_path / "slurm").mkdir()
    with two_nodes(tmp_path / "slurm", cores=2):
        variables = os.environ | {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
        log = (tmp_path / "log").open("w")
        with subprocess.Popen(
            [*COMMAND, *IMPATIENT, *WITHOUT_DATABASE, TABLES],
            cwd=checkouts[3],
            env=variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as engine:
            try:
                while not any(node == "two" and "part" in name for node, _, name in jobs("running")):
                    assert engine.poll() is None, Path(log.name).read_text()[-3000:]
                    time.sleep(0.2)
                take_away("two")
                assert engine.wait(900) == 0, Path(log.name).read_text()[-3000:]
            finally:
                engine.kill()  # of a test that failed
        ended = jobs()
    assert any(node == "two" and state == "NODE_FAIL" for node, state, _ in ended)
    assert sum(node == "one" and state == "COMPLETED" and "part" in name for node, state, name in ended) >= LEAST_JOBS
    assert _digests(checkouts[3]) == _digests(checkouts[1])


def _digests(folder: Path) -> dict[str, str]:
    """Of maps, scores and tables, by name."""
    results = folder / "results/tiny"
    files = [path for name in ("maps", "scores", "tables") for path in sorted((results / name).rglob("*.*"))]
    assert files
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
