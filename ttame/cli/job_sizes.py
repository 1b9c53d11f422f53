"""How many parts, how much memory and how much time the jobs of an experiment ask for, by its plan where there is one.

The engine asks for these before anything runs, so nothing here imports torch.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ttame.cli.arguments import PARTED
from ttame.cli.plan_file import JobName, PlanFile, PlannedJob
from ttame.params.section import Split
from ttame.params.settings import MOST_PARTS, TRUTHS_PIECE, Settings
from ttame.store.paths import list_file

TOGETHER = frozenset({"truths", "train"})
"""Stages whose job is `execution.devices` processes on each of `execution.nodes`."""
LONGEST = 1.0
"""Hours of a part, at most: what a node that fails takes with it is no more."""
SHORTEST = 2 / 60
"""Hours of a part, at least: a start takes seconds of it."""
TURNS = 8
"""Of each of the jobs that run at a time, at least, so that the last ones end together."""
UNMEASURED = 5000
"""Images of a part where no plan tells what they take."""
SAFETY = 1.5
"""Of memory: kernels take some for themselves, and decoding takes some."""
SLOWER = 3
"""Of time: a plan is extrapolated from a few calls, and decoding comes on top."""
START_MINUTES = 30
"""Of a job's time: a first download of weights, a file system under load."""


class Asked(NamedTuple):
    """What a job asks for: bytes of one process, and minutes."""

    memory: float
    minutes: int


def parts_of(settings: Settings, plan: PlanFile | None, name: JobName) -> int:
    """How many jobs share the images of one, by `execution.parts`.

    `auto` with a plan: parts of an hour, or shorter ones where that many would leave devices idle at the end (`TURNS`),
    but not below two minutes. Without one: a part for every 5000 images. Never more parts than pieces of the work, and
    one for a pair that the plan knows to be undefined.
    """
    if name.stage not in PARTED or (plan is not None and plan.is_undefined(name)):
        return 1
    parts = settings.execution.parts
    if parts != "auto":
        return parts
    images = images_of(settings, name.stage)
    job = None if plan is None else plan.by_name.get(name)
    if plan is None or job is None:
        wanted = 1 if images is None else math.ceil(images / UNMEASURED)
    else:
        wanted = math.ceil(_hours(settings, job) / hours_of_part(plan))
    piece = TRUTHS_PIECE if name.stage == "truths" else settings.execution.batch_size
    pieces = MOST_PARTS if images is None else math.ceil(images / piece)
    return max(1, min(wanted, pieces, MOST_PARTS))


def hours_of_part(plan: PlanFile) -> float:
    """How long a part may take at most."""
    total = sum(job.hours for job in plan.jobs)
    return min(LONGEST, max(SHORTEST, total / (plan.at_once * TURNS)))


def images_of(settings: Settings, stage: str) -> int | None:
    """Images whose work jobs of a stage share; None where only the list will tell, which is not there yet."""
    count = known_count(settings, "train" if stage == "truths" else "evaluation")
    if count is not None and stage == "sanity":
        count = min(count, settings.sanity.images)
    return count


def known_count(settings: Settings, split: Split) -> int | None:
    """Images of a list, as the params count them or as the stage wrote them; None where it did not yet."""
    stated, written = settings.data.counts[split], list_file(settings, split)
    if stated is not None or not written.exists():
        return stated
    return _entries(written.resolve(), written.stat().st_mtime_ns)


@cache
def _entries(path: Path, _: int) -> int:
    """Lines of a list that say something; once for all jobs, until it is written anew."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return sum(1 for line in lines if line.strip())


def asked(settings: Settings, plan: PlanFile | None, name: JobName, parts: int = 1) -> Asked | None:
    """What a job, or one of so many parts of it, asks for; None where no plan tells.

    On a GPU the memory of the process is not what the plan measured, and 0 here.
    """
    if plan is None:
        return None
    if plan.is_undefined(name):
        return Asked(0.0, START_MINUTES)
    job = plan.by_name.get(name)
    if job is None:
        return None
    memory = SAFETY * job.memory if plan.is_cpu else 0.0
    return Asked(memory, math.ceil(60 * SLOWER * _hours(settings, job) / parts) + START_MINUTES)


def _hours(settings: Settings, job: PlannedJob) -> float:
    """Of all its processes together, which share the images."""
    return job.hours / processes_of(settings, job.stage)


def processes_of(settings: Settings, stage: str) -> int:
    """Processes that share the work of a stage's job."""
    execution = settings.execution
    return execution.devices * execution.nodes if stage in TOGETHER else 1
