from __future__ import annotations

import random

import pytest

from ttame.cli.plan_file import JobName
from ttame.cli.schedule import Job, Name, finish
from ttame.errors import TTameError


def _name(name: str) -> Name:
    return Name(JobName(name, "cnn"))


def _job(name: str, hours: float, *after: str, devices: int = 1) -> Job:
    return Job(_name(name), hours, devices, [_name(other) for other in after])


def test_one_device_takes_the_sum_and_enough_the_longest_chain() -> None:
    jobs = [_job("a", 1), _job("b", 2, "a"), _job("c", 4), _job("d", 0.5, "b", "c"), _job("e", 3, "not here")]
    assert finish(jobs, 1) == 10.5
    assert finish(jobs, 5) == 4.5
    assert finish([], 3) == 0


def test_the_longest_chain_goes_first() -> None:
    """Three hours behind a short job would be late if the two long ones went first."""
    jobs = [_job("long", 3), _job("longer", 3.5), _job("short", 1), _job("behind", 3, "short")]
    assert finish(jobs, 2) == 6.5
    assert finish([_job("a", 1), _job("b", 1), _job("c", 1)], 2) == 2


def test_a_training_takes_its_devices_together() -> None:
    jobs = [_job("train", 2, devices=4), _job("maps", 1, "train"), *(_job(f"free {n}", 1) for n in range(4))]
    assert finish(jobs, 4) == 4
    assert finish(jobs, 8) == 3
    with pytest.raises(TTameError, match=r"--devices: train cnn takes 4 .* and there are 3"):
        finish(jobs, 3)


@pytest.mark.parametrize("seed", range(20))
def test_between_what_no_order_beats_and_grahams_bound(seed) -> None:
    chance = random.Random(seed)
    jobs: list[Job] = []
    for number in range(40):
        before = chance.sample([job.name.job.stage for job in jobs], k=min(len(jobs), chance.randint(0, 3)))
        jobs.append(_job(str(number), chance.random(), *before))
    chains: dict[Name, float] = {}
    for job in jobs:
        chains[job.name] = job.hours + max((chains[name] for name in job.after), default=0.0)
    work, longest = sum(job.hours for job in jobs), max(chains.values())
    for devices in (1, 2, 5, 40):
        least = max(work / devices, longest)
        assert least - 1e-9 <= finish(jobs, devices) <= work / devices + longest * (devices - 1) / devices + 1e-9
