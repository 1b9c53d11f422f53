from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ttame.runtime import gpus
from ttame.runtime.gpus import CLAIMED, claim_gpus

from ..conftest import REPOSITORY

OTHER_JOB = """
import signal, sys, tempfile, torch
from types import SimpleNamespace
from ttame.runtime.gpus import claim_gpus
tempfile.tempdir = sys.argv[1]
torch.cuda.device_count = lambda: 4
torch.cuda.get_device_properties = lambda index: SimpleNamespace(uuid=f"GPU-{index}")
print(*claim_gpus(int(sys.argv[2])), flush=True)
signal.pause()
"""


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path) -> None:
    """A machine with four GPUs and no job."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(gpus, "_held", [])
    monkeypatch.setenv(CLAIMED, "")


def _other_job(folder, count: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", OTHER_JOB, str(folder), str(count)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=os.environ | {CLAIMED: ""})
    assert job.stdout is not None
    return job, job.stdout.readline().strip()


@pytest.mark.slow
def test_jobs_beside_each_other_take_different_gpus(tmp_path) -> None:
    first, gpus_of_first = _other_job(tmp_path, 1)
    second, gpus_of_second = _other_job(tmp_path, 2)
    try:
        assert (gpus_of_first, gpus_of_second) == ("0", "1 2")
        assert claim_gpus(1) == [3]
    finally:
        for job in (first, second):
            job.send_signal(signal.SIGKILL)
            job.wait()


def test_a_killed_job_gives_its_gpu_back(tmp_path) -> None:
    job, claimed = _other_job(tmp_path, 1)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert claimed == "0"
    assert claim_gpus(1) == [0]


def test_the_processes_that_a_job_starts_have_its_gpus() -> None:
    claim_gpus(1)
    os.environ[CLAIMED] = ""
    claimed = claim_gpus(2)
    assert claimed == [1, 2]
    # The environment is what a started process inherits.
    assert claim_gpus(2) == claimed


def test_more_jobs_than_gpus_share_the_first_and_say_so(tmp_path, capsys) -> None:
    first, claimed = _other_job(tmp_path, 3)
    assert claimed == "0 1 2"
    try:
        assert claim_gpus(3) == [0, 1, 2]
        assert "1 of 4 GPUs are free and 3 wanted" in capsys.readouterr().err
        os.environ[CLAIMED] = ""
        assert claim_gpus(1) == [3], "it keeps none that it does not use"
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()


def test_a_job_that_sees_one_gpu_takes_it(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    for _ in range(2):
        os.environ[CLAIMED] = ""
        assert claim_gpus(1) == [0]
