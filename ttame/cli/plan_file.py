"""What `ttame plan` found of an experiment, kept where the engine finds it and another plan can be told of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ttame.cli.costs import Cost, Known
from ttame.errors import TTameError, reason_of
from ttame.params.composition import whole
from ttame.params.planned import digest
from ttame.params.settings import Settings
from ttame.store.artifacts import write_text

FORMAT = 2
"""Of the file. One of another format is none, since nothing else of it can be relied on."""
DECIDES = ("device", "threads", "batch_size", "portable", "devices", "nodes")
"""Keys of `execution` by which a job takes another time or more memory."""
AT_ONCE = 16
"""Jobs at a time, where nobody said on how many devices."""
AGAIN = "run `python -m ttame plan` again"


class JobName(NamedTuple):
    """A job as its wildcards name it; what a stage has no axis for is empty, or None."""

    stage: str
    backbone: str
    method: str = ""
    seed: int | None = None
    measure: str = ""


@dataclass(frozen=True)
class PlannedJob:
    """What a job of the DAG takes when its images are not shared.

    Attributes:
        stage: its command.
        backbone: of the job.
        method: of the job, or empty.
        seed: None without one.
        images: whose number the time depends on.
        hours: of one process.
        memory: bytes of a process at its peak, of the device's memory on a GPU.
        measure: of the job, or empty.
    """

    stage: str
    backbone: str
    method: str
    seed: int | None
    images: int
    hours: float
    memory: float
    measure: str = ""

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            is_number = isinstance(value, int | float) and 0 <= value < math.inf
            if not (is_number if key in ("images", "hours", "memory") else isinstance(value, str | int | None)):
                raise ValueError(f"{key}: {value!r} of a job")

    @property
    def name(self) -> JobName:
        """What the engine calls it."""
        return JobName(self.stage, self.backbone, self.method, self.seed, self.measure)


@dataclass(frozen=True)
class PlanFile:
    """A plan.

    Attributes:
        device: what the costs are of.
        is_cpu: whether the memory is that of the process.
        costs: of an image, by backbone.
        jobs: all of them; empty where only the costs are known.
        at_once: jobs at a time that the parts are made for.
        options: of the methods, on which the costs depend; empty where nobody knows.
        of: digest of the params that it is the plan of.
        made: when, in UTC.
    """

    device: str
    is_cpu: bool
    costs: Mapping[str, Known]
    jobs: Sequence[PlannedJob] = ()
    at_once: int = AT_ONCE
    options: Mapping[str, Any] = field(default_factory=dict)
    of: str = ""
    made: str = ""

    @cached_property
    def by_name(self) -> Mapping[JobName, PlannedJob]:
        """Its jobs."""
        return {job.name: job for job in self.jobs}

    def is_undefined(self, name: JobName) -> bool:
        """Whether a job is of a pair that is known to have no maps, so that it ends at once."""
        return self.costs.get(name.backbone, {}).get(f"map {name.method}", Cost(0.0)) is None


class KnownPlan(NamedTuple):
    """The plan that an engine goes by, if any, and the line in which it says so, or why there is none."""

    plan: PlanFile | None
    said: str


def plan_path(settings: Settings) -> Path:
    """Where the last plan of an experiment is, beside the records of its stages."""
    return Path("logs") / settings.experiment / "plan.json"


def params_digest(settings: Settings) -> str:
    """Of all keys that a plan depends on."""
    values = whole(settings)
    execution = {key: values["execution"][key] for key in DECIDES}
    return digest({**values, "execution": execution, "report": None})


def options_of(settings: Settings) -> dict[str, Any]:
    """The keys, by method, by which one map or one step may take another time."""
    mechanisms = {method: settings.attention[method].mechanism.model_dump() for method in settings.methods.trained}
    explainers = {
        method: {key: value for key, value in options.items() if key != "seed"}
        for method, options in whole(settings)["explainers"].items()
    }
    return {"explainers": explainers, "attention": mechanisms}


def write_plan(settings: Settings, plan: PlanFile) -> None:
    """Keep a plan of these params."""
    costs = {
        backbone: {what: None if cost is None else _short(cost) for what, cost in known.items()}
        for backbone, known in plan.costs.items()
    }
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    values = asdict(plan) | {"of": params_digest(settings), "made": made, "costs": costs}
    write_text(plan_path(settings), json.dumps({"format": FORMAT} | values, indent=1) + "\n")


def read_plan(path: Path) -> PlanFile:
    """A plan, or a file with a device and its costs alone.

    Raises:
        TTameError: when it is none.
    """
    try:
        return _parsed(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TTameError(f"{path}: no such plan; `python -m ttame plan` writes logs/EXPERIMENT/plan.json") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TTameError(f"{path}: not a plan ({reason_of(error, most=120)}); {AGAIN}") from None


def known_plan(settings: Settings) -> KnownPlan:
    """The last plan of exactly these params. It is a hint: nothing that is wrong with its file stops an engine."""
    path, is_asked = plan_path(settings), settings.execution.parts == "auto"
    without = "parts, memory and time of the jobs are those without a plan"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if (values["format"], values["of"]) != (FORMAT, params_digest(settings)):
            return KnownPlan(None, f"warning: {path}: the plan of other params; {without}; {AGAIN}" if is_asked else "")
        plan = _parsed(values)
    except FileNotFoundError:
        missing = f"warning: {path}: no plan yet; {without}; run `python -m ttame plan` for one"
        return KnownPlan(None, missing if is_asked else "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return KnownPlan(None, f"warning: {path}: not a plan ({reason_of(error, most=120)}); {without}; {AGAIN}")
    return KnownPlan(plan, f"parts, memory and time by the plan of {plan.made} UTC for {plan.device} ({path})")


def _parsed(values: Mapping[str, Any]) -> PlanFile:
    costs = {
        str(backbone): {what: None if cost is None else _cost(cost) for what, cost in known.items()}
        for backbone, known in values["costs"].items()
    }
    return PlanFile(
        str(values["device"]),
        bool(values["is_cpu"]),
        costs,
        [PlannedJob(**job) for job in values.get("jobs", [])],
        max(1, int(values.get("at_once", AT_ONCE))),
        dict(values.get("options", {})),
        str(values.get("of", "")),
        str(values.get("made", "")),
    )


def _short(cost: Cost) -> dict[str, float]:
    return {name: float(f"{value:.5g}") for name, value in asdict(cost).items() if value}


def _cost(values: Mapping[str, Any]) -> Cost:
    return Cost(**{"seconds": 0.0, **{name: float(value) for name, value in values.items()}})
