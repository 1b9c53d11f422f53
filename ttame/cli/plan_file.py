"""What `ttame plan` found of an experiment, kept where the engine finds it and another plan can be told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ttame.cli.costs import Cost, Known
from ttame.errors import TTameError
from ttame.params.composition import whole
from ttame.params.planned import digest
from ttame.params.settings import Settings
from ttame.store.artifacts import write_text

DECIDES = ("device", "threads", "batch_size", "portable", "devices", "nodes")
"""Keys of `execution` by which a job takes another time or more memory."""


@dataclass(frozen=True)
class PlannedJob:
    """What a job of the DAG takes when its images are not shared.

    Attributes:
        stage: its command.
        backbone: of the job.
        method: of the job, or the measure of a basis, or empty.
        seed: None without one.
        images: whose number the time depends on.
        hours: of one process.
        memory: bytes of a process at its peak, of the device's memory on a GPU.
    """

    stage: str
    backbone: str
    method: str
    seed: int | None
    images: int
    hours: float
    memory: float


@dataclass(frozen=True)
class PlanFile:
    """A plan.

    Attributes:
        device: what the costs are of.
        is_cpu: whether the memory is that of the process.
        costs: of an image, by backbone.
        jobs: all of them; empty where only the costs are known.
        of: digest of the params that it is the plan of.
    """

    device: str
    is_cpu: bool
    costs: Mapping[str, Known]
    jobs: Sequence[PlannedJob] = ()
    of: str = ""


def plan_path(settings: Settings) -> Path:
    """Where the last plan of an experiment is, beside the records of its stages."""
    return Path("logs") / settings.experiment / "plan.json"


def params_digest(settings: Settings) -> str:
    """Of all keys that a plan depends on."""
    values = whole(settings)
    execution = {key: values["execution"][key] for key in DECIDES}
    return digest({**values, "execution": execution, "report": None})


def write_plan(settings: Settings, plan: PlanFile) -> None:
    """Keep a plan of these params."""
    costs = {
        backbone: {what: None if cost is None else _told(cost) for what, cost in known.items()}
        for backbone, known in plan.costs.items()
    }
    values = asdict(plan) | {"of": params_digest(settings), "costs": costs}
    write_text(plan_path(settings), json.dumps(values, indent=1) + "\n")


def read_plan(path: Path) -> PlanFile:
    """A plan, or a file with a device and its costs alone.

    Raises:
        TTameError: when it is none.
    """
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        costs = {
            str(backbone): {what: None if cost is None else _cost(cost) for what, cost in known.items()}
            for backbone, known in values["costs"].items()
        }
        jobs = [PlannedJob(**job) for job in values.get("jobs", [])]
        return PlanFile(str(values["device"]), bool(values["is_cpu"]), costs, jobs, str(values.get("of", "")))
    except FileNotFoundError:
        raise TTameError(f"{path}: no such plan; `python -m ttame plan` writes logs/EXPERIMENT/plan.json") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise TTameError(f"{path}: not a plan ({reason}); run `python -m ttame plan` again") from None


def plan_of(settings: Settings) -> PlanFile | None:
    """The last plan of exactly these params; None where there is none."""
    path = plan_path(settings)
    if not path.exists():
        return None
    plan = read_plan(path)
    return plan if plan.of == params_digest(settings) else None


def _told(cost: Cost) -> dict[str, float]:
    return {name: float(f"{value:.5g}") for name, value in asdict(cost).items() if value}


def _cost(values: Mapping[str, Any]) -> Cost:
    return Cost(**{"seconds": 0.0, **{name: float(value) for name, value in values.items()}})
