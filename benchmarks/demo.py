"""Where the time of the demo goes: what every stage notes of itself, what a start costs, and the engine's own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter, defaultdict

from benchmarks.photographs import settings_of
from ttame.runtime import warm_start
from ttame.store.provenance import read_records

STARTS = 3


def rows() -> list[list[str]]:
    """Jobs and seconds of every stage of the last run here, then starts and engine, measured now."""
    settings = settings_of("shapes")
    jobs: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for record in read_records(settings):
        stage = str(record["stage"]).split()[0]
        jobs[stage] += 1
        seconds[stage] += float(record["seconds"])
    found = [
        [f"{stage}, work", str(jobs[stage]), f"{seconds[stage]:.0f}"]
        for stage in sorted(seconds, key=lambda stage: -seconds[stage])
    ]
    alone = _seconds_of_a_start()
    warm_start.start(settings.execution)
    _seconds_of_a_start()  # the server is still loading
    copied = _seconds_of_a_start()
    started = time.perf_counter()
    subprocess.run(["snakemake", "--dry-run"], check=True, capture_output=True)
    engine = time.perf_counter() - started
    return [
        *found,
        ["starts, each a process of its own", str(sum(jobs.values())), f"{alone * sum(jobs.values()):.0f}"],
        ["starts, each a copy of a warm process", str(sum(jobs.values())), f"{copied * sum(jobs.values()):.0f}"],
        ["snakemake --dry-run", "1", f"{engine:.1f}"],
    ]


def _seconds_of_a_start() -> float:
    """Seconds of a stage that loads torch and ends there, since it scores maps of a pair that is not defined."""
    command = [sys.executable, "-m", "ttame", "scores", "shapes_cnn", "lrp"]
    started = time.perf_counter()
    for _ in range(STARTS):
        subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - started) / STARTS
