"""How many parts, how much memory and how much time the jobs of an experiment ask for, by its plan where there is one.

The engine asks for these before anything runs, so nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ttame.cli.arguments import PARTED
from ttame.cli.plan_file import PlanFile, PlannedJob
from ttame.params.section import Split
from ttame.params.settings import MOST_PARTS, Settings
from ttame.store.paths import list_file

LONGEST = 1.0
"""Hours of a part, at most: what a node that fails takes with it is no more."""
SHORTEST = 2 / 60
"""Hours of a part, at least: a start takes seconds of it."""
AT_ONCE, TURNS = 16, 8
"""Where so many jobs run at a time, each takes so many turns at least, so that the last ones end together."""
UNMEASURED = 5000
"""Images of a part where no plan tells what they take."""
SAFETY = 1.5
"""Of memory: kernels take some for themselves, and decoding takes some."""
SLOWER = 3
"""Of time: a plan is extrapolated from a few calls, and decoding comes on top."""
START_MINUTES = 30
"""Of a job's time: a first download of weights, a file system under load."""


class JobName(NamedTuple):
    """A job whose images may be shared, as its command has it; of a basis the measure is the method."""

    stage: str
    backbone: str
    method: str = ""
    seed: int | None = None


class Asked(NamedTuple):
    """What a job asks for: bytes of one process, and minutes."""

    memory: float
    minutes: int


def name_of(job: PlannedJob) -> JobName:
    """The name of a job of a plan."""
    return JobName(job.stage, job.backbone, job.method, job.seed)


def parts_of(settings: Settings, plan: PlanFile | None, name: JobName) -> int:
    """How many jobs share the images of one, by `execution.parts`.

    `auto` with a plan: parts of an hour, or shorter ones where that many would leave cores idle at the end (`AT_ONCE`,
    `TURNS`), but not below two minutes. Without one: a part for every 5000 images. Never more parts than batches.
    """
    if name.stage not in PARTED:
        return 1
    parts = settings.execution.parts
    if parts != "auto":
        return parts
    images = images_of(settings, name.stage)
    jobs = [] if plan is None else [job for job in plan.jobs if name_of(job) == name]
    if plan is None or not jobs:
        wanted = 1 if images is None else math.ceil(images / UNMEASURED)
    else:
        wanted = math.ceil(_hours(settings, jobs) / hours_of_part(plan.jobs))
    batches = MOST_PARTS if images is None else math.ceil(images / settings.execution.batch_size)
    return max(1, min(wanted, batches, MOST_PARTS))


def hours_of_part(jobs: Sequence[PlannedJob]) -> float:
    """How long a part may take at most."""
    total = sum(job.hours for job in jobs)
    return min(LONGEST, max(SHORTEST, total / (AT_ONCE * TURNS)))


def images_of(settings: Settings, stage: str) -> int | None:
    """Images whose work jobs of a stage share; None where only the list will tell, which is not there yet."""
    split: Split = "train" if stage == "truths" else "evaluation"
    count, written = settings.data.counts[split], list_file(settings, split)
    if count is None and written.exists():
        with written.open(encoding="utf-8", errors="replace") as lines:
            count = sum(1 for line in lines if line.strip())
    if count is not None and stage == "sanity":
        count = min(count, settings.sanity.images)
    return count


def asked(settings: Settings, plan: PlanFile | None, name: JobName, parts: int = 1) -> Asked | None:
    """What a job, or one of so many parts of it, asks for; None where no plan tells.

    On a GPU the memory of the process is not what the plan measured, and 0 here.
    """
    jobs = [] if plan is None else [job for job in plan.jobs if name_of(job) == name]
    if plan is None or not jobs:
        return None
    memory = max(job.memory for job in jobs) if plan.is_cpu else 0.0
    hours = _hours(settings, jobs) / parts
    return Asked(SAFETY * memory, math.ceil(60 * SLOWER * hours) + START_MINUTES)


def _hours(settings: Settings, jobs: Sequence[PlannedJob]) -> float:
    """Of all their processes together, which share the images."""
    hours = sum(job.hours for job in jobs)
    return hours / processes_of(settings, jobs[0].stage)


def processes_of(settings: Settings, stage: str) -> int:
    """Processes that share the work of a stage's job."""
    execution = settings.execution
    return execution.devices * execution.nodes if stage in ("truths", "train") else 1
