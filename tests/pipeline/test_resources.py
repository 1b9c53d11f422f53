"""What the rules ask of a machine or a cluster, and into how many parts they share a job."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.cli.costs import Cost, Known
from ttame.cli.job_sizes import START_MINUTES, TOGETHER
from ttame.cli.plan_file import PlanFile, PlannedJob, write_plan
from ttame.cli.planned_rows import planned_rows
from ttame.params.active import load_settings
from ttame.params.section import Split

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout, shell
from .rules import rules


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
    found: dict[str, Any] = {"PARAMS": params}
    exec((REPOSITORY / "workflow/rules/resources.smk").read_text(), found)
    asked = found["ASKED"]
    assert asked["train"] == {"threads": cores, "resources": train | {"mem_mb": memory, "runtime": 1440}}
    assert asked["maps"] == asked["scores"] == {"threads": 5, "resources": maps | {"mem_mb": 8000, "runtime": 720}}


def test_every_stage_says_what_it_asks_for() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    found: dict[str, Any] = {"PARAMS": yaml.safe_load((REPOSITORY / "params.yaml").read_text())}
    exec((REPOSITORY / "workflow/rules/resources.smk").read_text(), found)
    assert list(found["ASKED"]) == list(stages)


def test_jobs_of_several_processes_are_those_that_share_them(active) -> None:
    found = rules()
    shared = {stage for stage, asked in found["ASKED"].items() if asked["resources"].get("gpu") == DEVICES}
    assert {found["command_name"](stage) for stage in shared} == TOGETHER


DEVICES = 3
RISE = {"experiment": "shapes", "backbone": "shapes_cnn", "method": "rise"}
TTAME = RISE | {"method": "ttame", "seed": "1"}
JOBS = [
    PlannedJob("maps", "shapes_cnn", "rise", None, 50, 10.0, 12e9),
    PlannedJob("train", "shapes_cnn", "ttame", 1, 50, 4.0, 8e9),
]


@pytest.fixture
def active(tmp_path: Path, params: dict[str, Any], monkeypatch) -> dict[str, Any]:
    """Params of the folder that the test is in; `_activate` after a change."""
    monkeypatch.chdir(tmp_path)
    for name in ("TTAME_DESCRIPTION", "TTAME_CHECKOUT", "TTAME_LOCK", "TTAME_VERSION", "TTAME_PARTS"):
        monkeypatch.setenv(name, "")  # to be taken back after the test
        monkeypatch.delenv(name)
    monkeypatch.setattr("sys.path", [*sys.path])
    params["execution"] |= {"devices": DEVICES, "parts": 4}
    params["data"]["model_truths"] = ["shapes_cnn"]
    params["measures"]["taken"] = ["single_deletion", "grid_pointing"]
    _activate(params)
    return params


def _activate(params: dict[str, Any], plan: PlanFile | None = None, **execution: Any) -> None:
    params["execution"] |= execution
    Path("params.yaml").write_text(yaml.safe_dump(params))
    if plan is not None:
        write_plan(load_settings(), plan)


def _asked(stage: str, wildcards: dict[str, str], attempts: int = 2) -> Any:
    """Memory and time of a job's attempts, as the rules ask for them."""
    found = rules()["resources"](stage)
    tries = range(1, attempts + 1)
    memory = [found["mem_mb"](wildcards, attempt) for attempt in tries]
    assert all(isinstance(value, int) for value in memory), "Snakemake takes no other number"
    return memory, [found["runtime"](wildcards, attempt) for attempt in tries]


def test_memory_and_time_come_from_the_plan(active) -> None:
    assert _asked("maps", RISE) == ([8000, 12000], [720, 720])
    plan = PlanFile("CPU", True, {}, JOBS)
    _activate(active, plan, devices=1)
    assert _asked("maps", RISE)[0] == [18000, 27000]
    assert _asked("maps", RISE)[1] == [450 + 30, 720], "ten hours shared by four, three times over; and the limit"
    assert _asked("train", TTAME) == (
        [16000, 24000],
        [750, 1440],
    ), "less memory than without a plan is not asked for"
    _activate(active, plan, devices=2)
    assert _asked("train", TTAME) == ([32000, 48000], [390, 780])
    _activate(active, PlanFile("GPU", False, {}, JOBS))
    assert _asked("maps", RISE)[0] == [8000, 12000], "its memory is not the job's"


def test_no_plan_asks_for_more_time_than_there_is_without_one(active) -> None:
    """A partition may have no more, and a job goes on where its time ended."""
    _activate(active, PlanFile("CPU", True, {}, [PlannedJob("train", "shapes_cnn", "ttame", 1, 50, 60.0, 8e9)]))
    assert _asked("train", TTAME, attempts=4)[1] == [1440] * 4


def test_a_pair_that_the_plan_knows_to_be_undefined_takes_a_moment(active) -> None:
    _activate(active, PlanFile("CPU", True, {"shapes_cnn": {"map rise": None}}, JOBS[1:]), parts="auto")
    assert _asked("maps", RISE) == ([8000, 12000], [START_MINUTES, 2 * START_MINUTES])
    assert rules()["parts"]("maps", RISE) == 1


def test_the_plan_names_every_job_as_the_engine_does(active) -> None:
    """But those of pairs that are not defined, and of the stages that use no classifier."""
    settings, found, stages = load_settings(), rules(), yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    cost = Cost(0.001, 1)
    kinds = [f"{kind} {method}" for kind in ("map", "train", "start") for method in settings.methods.all]
    known: Known = dict.fromkeys(["process", "forward", "fill", *kinds], cost)
    images: dict[Split, int] = {"train": 4000, "validation": 500, "evaluation": 1000}
    rows, _ = planned_rows(settings, images, dict.fromkeys(settings.backbones, known))
    planned = [row.name for row in rows]
    assert len(planned) == len(set(planned)), "a row a job"
    engines = [found["job_name"](stage, wildcards) for stage in stages for wildcards in found["combinations"](stage)]
    kinds_planned = {name.stage for name in planned}
    assert set(planned) == {name for name in engines if name.stage in kinds_planned}
    without = {name.stage for name in engines} - kinds_planned
    assert without == {"specifications", "datalists", "figure", "tables", "page"}


def test_a_job_has_the_parts_of_its_own_run(active, capsys) -> None:
    assert rules()["parts"]("maps", RISE) == 4
    said = os.environ["TTAME_PARTS"]
    _activate(active, parts=2)
    job = rules(is_main_process=False)
    assert job["parts"]("maps", RISE) == 4, "as the run decided"
    assert job["is_parted"]("maps")
    assert rules()["parts"]("maps", RISE) == 2, "another run"
    assert os.environ["TTAME_PARTS"] != said
    assert not Path(".scratch").exists()


def test_what_is_wrong_with_a_plan_stops_no_engine(active, capsys) -> None:
    _activate(active, parts="auto")
    rules()
    assert "warning: logs/shapes/plan.json: no plan yet; parts, memory" in capsys.readouterr().err
    _activate(active, PlanFile("NVIDIA H200", False, {}, JOBS))
    rules()
    assert re.search(r"^parts, memory and time by the plan of 20.* UTC for NVIDIA H200", capsys.readouterr().err)
    path = Path("logs/shapes/plan.json")
    path.write_text(path.read_text().replace('"hours": 10.0', '"hours": "ten"'))
    assert rules()["parts"]("maps", RISE) == 1
    assert "warning: logs/shapes/plan.json: not a plan (hours: 'ten' of a job); parts" in capsys.readouterr().err
    rules(is_main_process=False)
    assert capsys.readouterr().err == "", "once a run"


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
    assert "plan.json: no plan yet" in shell(folder, "snakemake", "--dry-run", target)
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
