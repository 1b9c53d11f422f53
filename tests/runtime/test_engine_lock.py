from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TextIO

import pytest

from ttame.errors import TTameError
from ttame.runtime import engine_lock

from ..conftest import REPOSITORY


def test_a_second_run_is_told_of_the_first_and_begins_after_its_end(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    held: list[TextIO] = []
    monkeypatch.setattr(engine_lock, "_held", held)
    engine_lock.hold("snakemake --cores all")
    with pytest.raises(TTameError, match=f"process {os.getpid()}: snakemake --cores all.*wait for its end"):
        engine_lock.hold("snakemake")
    held.pop().close()  # as the system does with a process that is killed
    engine_lock.hold("snakemake")
    held.pop().close()


def test_a_stage_of_dvc_is_told_of_a_run_of_snakemake_but_not_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    held: list[TextIO] = []
    monkeypatch.setattr(engine_lock, "_held", held)
    for name in ("DVC_STAGE", "TTAME_ENGINE"):
        monkeypatch.setenv(name, "")  # so that what the lock sets is taken back after the test
        monkeypatch.delenv(name)
    engine_lock.hold("snakemake --cores all")
    engine_lock.hold_for_dvc()
    monkeypatch.setenv("DVC_STAGE", "maps")
    with pytest.raises(TTameError, match="snakemake --cores all"):
        engine_lock.hold_for_dvc()
    held.pop().close()
    engine_lock.hold_for_dvc()
    engine_lock.hold_for_dvc()  # in a process of the same training
    monkeypatch.delenv("TTAME_ENGINE")
    with pytest.raises(TTameError, match="dvc repro"):
        engine_lock.hold("snakemake")
    held.pop().close()


JOB = """
import signal, time
from ttame.runtime.engine_lock import hold_as_job
from ttame.runtime.stopping import StopSignal, ended_by_signals
try:
    with ended_by_signals():
        hold_as_job()
        print("ready", flush=True)
        time.sleep(60)
except StopSignal:
    time.sleep(2)  # it saves its state
"""


@pytest.fixture
def killed(tmp_path, monkeypatch) -> Iterator[subprocess.Popen[str]]:
    """A job that is saving, whose engine was killed a moment ago."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engine_lock, "_held", [])
    engine = subprocess.Popen(["sleep", "60"])
    environment = os.environ | {"TTAME_ENGINE": str(engine.pid), "PYTHONPATH": str(REPOSITORY)}
    job = subprocess.Popen([sys.executable, "-c", JOB], env=environment, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    engine.kill()
    engine.wait()
    yield job
    job.kill()
    job.communicate()


def test_a_run_waits_for_the_jobs_of_one_that_was_killed(killed, capsys) -> None:
    started = time.monotonic()
    engine_lock.hold("snakemake")
    assert time.monotonic() - started > 1
    assert killed.poll() is not None or killed.wait(timeout=5) is not None
    assert capsys.readouterr().err == "waiting for jobs of a run that was killed: they save what they did\n"
    engine_lock._held.pop().close()
    started = time.monotonic()
    engine_lock.hold("snakemake")  # nothing was left behind
    assert time.monotonic() - started < 1
    engine_lock._held.pop().close()


def test_jobs_that_do_not_end_are_a_line(killed, monkeypatch) -> None:
    monkeypatch.setattr(engine_lock, "SECONDS_TO_SAVE", -30)
    with pytest.raises(TTameError, match="jobs of a run that was killed do not end"):
        engine_lock.hold("snakemake")


def test_what_no_engine_started_holds_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TTAME_ENGINE", raising=False)
    engine_lock.hold_as_job()
    assert not engine_lock.JOBS.exists()
