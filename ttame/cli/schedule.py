"""How long the jobs of a plan take on several devices at once."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ttame.cli.plan_file import JobName
from ttame.errors import TTameError


class Name(NamedTuple):
    """Of a job or of a part of it, from 1; 0 is the whole."""

    job: JobName
    part: int = 0


@dataclass(frozen=True)
class Job:
    """A job, how long it takes, the devices that it takes them for, and the jobs that it waits for."""

    name: Name
    hours: float
    devices: int = 1
    after: Sequence[Name] = ()


def finish(jobs: Sequence[Job], devices: int) -> float:
    """Hours until the last job is done, where the one with the longest chain of jobs behind it goes first.

    No order could take less than the longest chain, nor than the hours of all jobs over the devices; this one takes at
    most their sum where every job takes one device (Graham, SIAM Journal on Applied Mathematics 1969).

    Args:
        jobs: with names of their own; each waits for jobs before it. What it waits for that is not there is done.
        devices: how many there are.

    Raises:
        TTameError: when a job takes more devices than there are.
    """
    by_name = {job.name: job for job in jobs}
    for job in jobs:
        if job.devices > devices:
            stage, backbone, *_ = job.name.job
            raise TTameError(
                f"--devices: {stage} {backbone} takes {job.devices} (execution.devices x nodes), and there are "
                f"{devices}; name as many"
            )
    waits = {job.name: sum(name in by_name for name in job.after) for job in jobs}
    followers: dict[Name, list[Name]] = {job.name: [] for job in jobs}
    for job in jobs:
        for name in job.after:
            if name in by_name:
                followers[name].append(job.name)
    behind = _chains(jobs, followers)
    ready = [(-behind[name], place, name) for place, name in enumerate(waits) if not waits[name]]
    heapq.heapify(ready)
    running: list[tuple[float, int, Name]] = []
    now, free, started = 0.0, devices, len(jobs)
    while ready or running:
        kept = []
        while ready and free:
            entry = heapq.heappop(ready)
            job = by_name[entry[2]]
            if job.devices > free:
                kept.append(entry)
                break
            free -= job.devices
            heapq.heappush(running, (now + job.hours, started := started + 1, job.name))
        for entry in kept:
            heapq.heappush(ready, entry)
        now, _, name = heapq.heappop(running)
        free += by_name[name].devices
        for follower in followers[name]:
            waits[follower] -= 1
            if not waits[follower]:
                heapq.heappush(ready, (-behind[follower], started := started + 1, follower))
    return now


def _chains(jobs: Sequence[Job], followers: Mapping[Name, Sequence[Name]]) -> dict[Name, float]:
    """Hours of every job and of the longest chain of those that wait for it."""
    found: dict[Name, float] = {}
    for job in reversed(jobs):
        found[job.name] = job.hours + max((found[name] for name in followers[job.name]), default=0.0)
    return found
