"""What the rules ask of a machine or a cluster."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY
from .checkout import BINARIES, copy_checkout, shell

pytestmark = pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("execution", "cores", "memory", "train", "maps"),
    [
        ({"device": "auto", "devices": 4, "nodes": 1}, 20, 64000, {"gpu": "4"}, {"gpu": "1"}),
        (
            {"device": "auto", "devices": 4, "nodes": 2},
            5,  # of one task
            64000,  # of one node
            {"gpu": "8", "nodes": "2", "tasks": "8", "mpi": "srun"},
            {"gpu": "1"},
        ),
        ({"device": "cpu", "devices": 2, "nodes": 1}, 10, 32000, {"gpu": "0"}, {"gpu": "0"}),
    ],
)
def test_processes_of_a_training(execution, cores, memory, train, maps, tmp_path) -> None:
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["execution"] |= {"threads": 2, "workers": 3, **execution}
    folder = copy_checkout(tmp_path / "checkout", params)
    # As many cores as a job wants, since Snakemake says no more than it has.
    output = shell(folder, "snakemake", "--dry-run", "--verbose", "--cores", "64")
    for rule, wanted, threads in (
        ("train", train | {"mem_mb": f"{memory}"}, cores),
        ("maps", maps | {"mem_mb": "8000"}, 5),
    ):
        job = re.search(rf"^rule {rule}:\n(?:    .*\n)+", output, re.MULTILINE)
        assert job is not None
        assert f"    threads: {threads}\n" in job[0]
        resources = dict(pair.split("=") for pair in re.findall(r"\w+=\w+", job[0].partition("resources:")[2]))
        found = {name: resources[name] for name in ("gpu", "nodes", "tasks", "mpi", "mem_mb") if name in resources}
        assert found == wanted
