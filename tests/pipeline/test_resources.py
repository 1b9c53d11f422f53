"""What the rules ask of a machine or a cluster, and into how many parts they share a job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.cli.job_sizes import JobName
from ttame.cli.plan_file import PlanFile, PlannedJob, write_plan
from ttame.params.active import load_settings

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout, shell


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


RISE = {"method": "rise", "backbone": "shapes_cnn"}


def _asked(plan: PlanFile | None, parts: int, stage: str, wildcards: dict[str, str], **execution: Any) -> Any:
    """Resources of a job as the rules ask for them, by a plan."""
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params["execution"] |= execution
    settings = load_settings(REPOSITORY / "params.yaml")
    name = JobName(stage, "shapes_cnn", wildcards["method"], int(wildcards["seed"]) if "seed" in wildcards else None)
    rules: dict[str, Any] = {
        "PARAMS": params,
        "SETTINGS": settings.model_copy(
            update={"execution": settings.execution.model_copy(update=execution)},
        ),
        "PLAN": plan,
        "command_name": lambda stage: stage,
        "job_name": lambda *_: name,
        "parts": lambda *_: parts,
    }
    exec((REPOSITORY / "workflow/rules/resources.smk").read_text(), rules)
    found = rules["resources"](stage)
    memory = found["mem_mb"](wildcards)
    assert isinstance(memory, int), "Snakemake takes no other number"
    return memory, [found["runtime"](wildcards, attempt) for attempt in (1, 2)]


def test_memory_and_time_come_from_the_plan() -> None:
    jobs = [
        PlannedJob("maps", "shapes_cnn", "rise", None, 50, 10.0, 12e9),
        PlannedJob("train", "shapes_cnn", "ttame", 1, 50, 4.0, 8e9),
    ]
    plan = PlanFile("CPU", True, {}, jobs)
    assert _asked(None, 4, "maps", RISE) == (8000, [720, 720])
    assert _asked(plan, 4, "maps", RISE) == (18000, [450 + 30, 960]), "in ten hours shared by four, three times over"
    training = RISE | {"method": "ttame", "seed": "1"}
    assert _asked(plan, 1, "train", training) == (16000, [750, 1500]), "less than without a plan is not asked for"
    assert _asked(plan, 1, "train", training, devices=2) == (32000, [390, 780])
    assert _asked(PlanFile("GPU", False, {}, jobs), 4, "maps", RISE)[0] == 8000, "its memory is not the job's"


@pytest.mark.slow
@pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed")
def test_auto_parts_are_those_of_the_plan_and_need_no_other_run(tmp_path: Path, params, monkeypatch) -> None:
    tiny = tiny_params(params)
    tiny["execution"] |= {"parts": "auto", "batch_size": 1}
    tiny["methods"] |= {"training_free": ["center", "gradcam"], "trained": []}
    tiny["report"]["reference"] = "gradcam"
    folder = copy_checkout(tmp_path, tiny)
    monkeypatch.chdir(folder)
    target = "results/tiny/maps/shapes_cnn/gradcam.safetensors"
    assert "`python -m ttame plan` never ran with these params" in shell(folder, "snakemake", "--dry-run", target)
    assert _planned(folder, target) == {"maps": "1"}
    _write_plan(3.0)
    assert _planned(folder, target) == {"maps": "1", "maps_part": "3"}
    shell(folder, "snakemake", "--cores", "2", target)
    first = Path(target).read_bytes()
    _write_plan(5.0)
    assert _planned(folder, target) == {}, "another number makes nothing anew"
    assert _planned(folder, "--force", target) == {"maps": "1", "maps_part": "5"}
    shell(folder, "snakemake", "--cores", "2", "--force", target)
    assert Path(target).read_bytes() == first


def _planned(folder: Path, *arguments: str) -> dict[str, str]:
    """How many jobs of the maps there would be."""
    lines = [line.split() for line in shell(folder, "snakemake", "--dry-run", *arguments).splitlines()]
    return {line[0]: line[1] for line in lines if len(line) == 2 and line[0].startswith("maps")}


def _write_plan(hours: float) -> None:
    """Of Grad-CAM's maps, in the folder that the test is in."""
    job = PlannedJob("maps", "shapes_cnn", "gradcam", None, 20, hours, 9e9)
    rest = PlannedJob("train", "shapes_cnn", "ttame", 1, 20, 200.0, 1e9)
    write_plan(load_settings(), PlanFile("CPU", True, {}, [job, rest]))
