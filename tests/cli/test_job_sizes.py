from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ttame.cli.costs import Cost
from ttame.cli.job_sizes import START_MINUTES, asked, images_of, parts_of
from ttame.cli.plan_file import AT_ONCE, JobName, PlanFile, PlannedJob, known_plan, plan_path, read_plan, write_plan
from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.params.settings import Settings
from ttame.store.paths import list_file

from ..conftest import REPOSITORY

RISE, SCORES = JobName("maps", "shapes_cnn", "rise"), JobName("scores", "shapes_cnn", "rise")


def _settings(**changed: object) -> Settings:
    settings = load_settings(REPOSITORY / "params.yaml")
    execution = settings.execution.model_copy(update={"parts": "auto", "batch_size": 50, **changed})
    counts = settings.data.counts.model_copy(update={"evaluation": 50_000, "train": 10**6})
    data = settings.data.model_copy(update={"counts": counts})
    return settings.model_copy(update={"execution": execution, "data": data})


def _plan(*hours: float, is_cpu: bool = True) -> PlanFile:
    """RISE's maps and scores, and a training."""
    names = (RISE, SCORES, JobName("train", "shapes_cnn", "ttame", 1))
    jobs = [PlannedJob(*name[:4], 50_000, taken, 6e9) for name, taken in zip(names, hours, strict=True)]
    return PlanFile("a device", is_cpu, {"shapes_cnn": {"map rise": Cost(0.5, 100, fixed=1e9), "map lrp": None}}, jobs)


def test_a_number_is_taken_as_it_is() -> None:
    settings = _settings(parts=7)
    assert [parts_of(settings, plan, RISE) for plan in (None, _plan(90, 1, 1))] == [7, 7]
    assert parts_of(settings, None, JobName("train", "shapes_cnn", "ttame", 1)) == 1


def test_parts_of_an_hour() -> None:
    plan = _plan(250.5, 40, 100)
    assert [parts_of(_settings(), plan, name) for name in (RISE, SCORES)] == [251, 40]


def test_shorter_parts_where_sixteen_cores_would_idle_at_the_end() -> None:
    """12.8 hours of work are 0.8 on each of 16 cores: a part takes at most an eighth of that."""
    plan = _plan(10, 0.8, 2)
    assert [parts_of(_settings(), plan, name) for name in (RISE, SCORES)] == [100, 8]


def test_no_part_is_below_two_minutes_and_none_without_a_batch() -> None:
    assert parts_of(_settings(), _plan(0.2, 0.01, 0), RISE) == 6
    assert parts_of(_settings(), _plan(0.2, 0.01, 0), SCORES) == 1
    assert parts_of(_settings(batch_size=25_000), _plan(10, 1, 1), RISE) == 2
    assert parts_of(_settings(), _plan(100_000, 1, 1), RISE) == 1000


def test_without_a_plan_a_part_for_every_5000_images() -> None:
    assert parts_of(_settings(), None, RISE) == 10
    assert parts_of(_settings(), None, JobName("sanity", "shapes_cnn", "rise")) == 1, "of a few images"
    assert parts_of(_settings(), _plan(1, 1, 1), JobName("maps", "shapes_vit", "rise")) == 10, "no such job in it"


def test_processes_share_what_a_training_or_the_truths_take() -> None:
    truths = PlannedJob("truths", "shapes_cnn", "", None, 10**6, 8.0, 6e9)
    plan = PlanFile("a device", True, {}, [truths, PlannedJob(*RISE[:4], 1, 1000.0, 0.0)])
    name = JobName("truths", "shapes_cnn")
    assert parts_of(_settings(), plan, name) == 8
    assert parts_of(_settings(devices=2, nodes=2), plan, name) == 2
    found = asked(_settings(devices=2, nodes=2), plan, name, parts=2)
    assert found is not None
    assert found.minutes == 3 * 60 + START_MINUTES


def test_what_a_job_asks_for() -> None:
    assert asked(_settings(), None, RISE) is None
    assert asked(_settings(), _plan(10, 1, 1), JobName("maps", "shapes_vit", "rise")) is None
    assert asked(_settings(), _plan(10, 1, 1), RISE, parts=10) == (1.5 * 6e9, 3 * 60 + START_MINUTES)
    on_a_gpu = asked(_settings(), _plan(10, 1, 1, is_cpu=False), RISE)
    assert on_a_gpu is not None
    assert on_a_gpu.memory == 0, "its memory is not the job's"


def test_a_plan_is_that_of_its_params(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings, plan = _settings(), _plan(10, 1, 1)
    assert known_plan(settings).plan is None
    write_plan(settings, plan)
    found = known_plan(settings).plan
    assert found is not None
    assert (found.jobs, found.costs, found.device) == (plan.jobs, plan.costs, plan.device)
    assert known_plan(_settings(parts=3)).plan is not None, "the number of parts changes no cost"
    other = known_plan(_settings(batch_size=8))
    assert other.plan is None
    assert f"warning: {plan_path(settings)}: the plan of other params; " in other.said
    assert known_plan(_settings(batch_size=8, parts=1)).said == "", "nothing that was asked for is missing"


def test_a_plan_of_another_format_is_of_no_use(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = _settings()
    write_plan(settings, _plan(10, 1, 1))
    values = json.loads(plan_path(settings).read_text())
    plan_path(settings).write_text(json.dumps(values | {"format": 1, "costs": {"shapes_cnn": {"forward": {"new": 1}}}}))
    assert "the plan of other params" in known_plan(settings).said
    assert known_plan(settings).plan is None


def test_the_costs_of_the_documented_gpu_can_be_read() -> None:
    plan = read_plan(REPOSITORY / "benchmarks/h200.json")
    assert not plan.is_cpu
    for name in ("vgg16", "resnet50", "vit_b_16"):
        rise = plan.costs[name]["map rise"]
        assert rise is not None
        assert rise.forward == 8000
    assert plan.costs["vgg16"]["map rollout"] is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"device": "x", "is_cpu": true, "costs": {"a": 3}}'])
def test_no_plan_is_one_line(text: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = plan_path(_settings())
    with pytest.raises(TTameError, match=r"plan\.json: no such plan"):
        read_plan(path)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(TTameError, match=r"plan\.json: not a plan \(.*run `python -m ttame plan` again"):
        read_plan(path)
    assert known_plan(_settings()).plan is None
    assert known_plan(_settings()).said.startswith(f"warning: {path}: ")


@pytest.mark.parametrize(
    "changed", [{"hours": "3"}, {"hours": float("nan")}, {"images": -1}, {"method": ["rise"]}, {"new": 1}]
)
def test_a_job_that_is_none_is_no_traceback(changed: dict[str, object], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = _settings(parts=1)
    write_plan(settings, _plan(10, 1, 1))
    values = json.loads(plan_path(settings).read_text())
    values["jobs"][0] |= changed
    plan_path(settings).write_text(json.dumps(values))
    found = known_plan(settings)
    assert found.plan is None
    assert "plan.json: not a plan (" in found.said, "said whatever the parts are"


def test_parts_are_made_for_the_devices_that_were_named() -> None:
    plan = _plan(10, 0.8, 2)
    wide = dataclasses.replace(plan, at_once=4 * AT_ONCE)
    assert parts_of(_settings(), wide, SCORES) == 24, "two minutes, where a quarter as many had eight parts"
    assert parts_of(_settings(), plan, SCORES) == 8


def test_model_truths_have_no_more_parts_than_pieces() -> None:
    name = JobName("truths", "shapes_cnn")
    plan = PlanFile("a device", True, {}, [PlannedJob(*name[:4], 8000, 4.0, 6e9)])
    counts = _settings().data.counts.model_copy(update={"train": 8000})
    settings = _settings().model_copy(update={"data": _settings().data.model_copy(update={"counts": counts})})
    assert parts_of(settings, plan, name) == 2


def test_a_list_that_is_written_anew_is_counted_anew(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    counts = _settings().data.counts.model_copy(update={"evaluation": None})
    settings = _settings().model_copy(update={"data": _settings().data.model_copy(update={"counts": counts})})
    assert images_of(settings, "maps") is None
    path = list_file(settings, "evaluation")
    path.parent.mkdir(parents=True)
    for lines in (3, 5):
        path.write_text("a.png 0\n" * lines + "\n")
        os.utime(path, (lines, lines))
        assert images_of(settings, "maps") == lines


def test_the_engine_loads_no_torch_for_it() -> None:
    command = "import sys, ttame.cli.job_sizes; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=REPOSITORY, check=False).returncode == 0
