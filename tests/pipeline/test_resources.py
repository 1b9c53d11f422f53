"""What the rules ask of a machine or a cluster."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY


@pytest.mark.parametrize(
    ("execution", "cores", "memory", "train", "maps"),
    [
        ({"device": "auto", "devices": 4, "nodes": 1}, 20, 64000, {"gpu": 4}, {"gpu": 1}),
        (
            {"device": "auto", "devices": 4, "nodes": 2},
            5,  # of one task
            64000,  # of one node
            {"gpu": 8, "nodes": 2, "tasks": 8, "mpi": "srun"},
            {"gpu": 1},
        ),
        ({"device": "cpu", "devices": 2, "nodes": 1}, 10, 32000, {"gpu": 0}, {"gpu": 0}),
    ],
)
def test_processes_of_a_training(execution, cores, memory, train, maps) -> None:
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["execution"] |= {"threads": 2, "workers": 3, **execution}
    rules: dict[str, Any] = {"PARAMS": params}
    exec((REPOSITORY / "workflow/rules/resources.smk").read_text(), rules)
    asked = rules["ASKED"]
    assert asked["train"] == {"threads": cores, "resources": train | {"mem_mb": memory, "runtime": 1440}}
    assert asked["maps"] == asked["scores"] == {"threads": 5, "resources": maps | {"mem_mb": 8000, "runtime": 720}}


def test_every_stage_says_what_it_asks_for() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    rules: dict[str, Any] = {"PARAMS": yaml.safe_load((REPOSITORY / "params.yaml").read_text())}
    exec((REPOSITORY / "workflow/rules/resources.smk").read_text(), rules)
    assert list(rules["ASKED"]) == list(stages)
