from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from torch.utils.data import DataLoader

from ttame.runtime import stopping
from ttame.runtime.stopping import (
    ASKING,
    ENGINE,
    StopSignal,
    ended_by_signals,
    leave_signals_to_parent,
    pass_on_signals,
)

from ..conftest import REPOSITORY


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_ends_the_work_once(number) -> None:
    before = signal.getsignal(number)
    with pytest.raises(StopSignal) as raised, ended_by_signals():  # noqa: PT012, what ends it comes again
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            for again in ASKING:
                os.kill(os.getpid(), again)
    assert raised.value.number == number
    assert signal.getsignal(number) == before


def test_what_ignores_a_signal_goes_on(monkeypatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


JOB = """
import time
from ttame.runtime.stopping import StopSignal, ended_by_signals
try:
    with ended_by_signals():
        print("ready", flush=True)
        time.sleep(60)
except StopSignal as stopped:
    print("said to nobody", flush=True)
    raise SystemExit(128 + stopped.number)
"""


ENGINE_PROGRAM = """
import subprocess, sys
from ttame.runtime.stopping import pass_on_signals
job = subprocess.Popen([sys.executable, "job.py", "-m ttame train"], stdout=subprocess.PIPE, text=True)
pass_on_signals()
try:
    print(job.stdout.readline(), end="", flush=True)
    job.wait(60)
except KeyboardInterrupt:
    print(job.wait(), flush=True)
"""


@pytest.mark.parametrize("number", ASKING)
def test_a_signal_to_the_engine_alone_ends_its_jobs(number, tmp_path) -> None:
    (tmp_path / "job.py").write_text(JOB)
    (tmp_path / "engine.py").write_text(ENGINE_PROGRAM)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    engine = subprocess.Popen(
        [sys.executable, "engine.py"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert engine.stdout is not None
    assert engine.stdout.readline() == "ready\n"
    engine.send_signal(number)
    assert engine.communicate(timeout=30)[0] == f"{128 + signal.SIGTERM}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_engine_ends_though_its_handler_takes_a_lock_that_the_interrupted_code_has(number) -> None:
    lock, ended = threading.Lock(), threading.Event()

    def graceful(*_: object) -> None:
        if lock.acquire(timeout=2):
            ended.set()

    before = {each: signal.getsignal(each) for each in ASKING}
    signal.signal(signal.SIGTERM, graceful)
    try:
        pass_on_signals()
        with lock:
            os.kill(os.getpid(), number)
        assert ended.wait(10)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_ends_with_its_engine(number) -> None:
    engine = subprocess.Popen(["sleep", "60"])
    environment = os.environ | {ENGINE: str(engine.pid)}
    job = subprocess.Popen([sys.executable, "-c", JOB], env=environment, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    engine.send_signal(number)
    engine.wait()
    assert job.communicate(timeout=30)[0] == ""
    assert job.returncode == 128 + signal.SIGTERM


def test_dvc_is_the_parent(monkeypatch) -> None:
    monkeypatch.delenv(ENGINE, raising=False)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert stopping._engine() is None
    monkeypatch.setenv("DVC_STAGE", "maps")
    assert stopping._engine() == os.getppid()
    monkeypatch.setenv(ENGINE, "12")
    assert stopping._engine() == 12


class Processes:
    """Who decodes, twice: before and after a signal to it."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        for number in ASKING:
            os.kill(os.getpid(), number)
        return os.getpid()


def test_processes_that_decode_leave_signals_to_the_one_that_saves() -> None:
    loader: Any = DataLoader(Processes(), batch_size=None, num_workers=1, worker_init_fn=leave_signals_to_parent)  # type: ignore[arg-type]
    assert len(set(loader)) == 1
