"""A server is tried with commands of a package of the tests' own, which a copy must read instead of ttame."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from ttame.params.settings import ExecutionSettings
from ttame.runtime import warm_start
from ttame.runtime.warm_start import VARIABLE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a server is started on Linux alone")

EXECUTION = ExecutionSettings(device="cpu", devices=1, threads=1, batch_size=4)

HOLDER = """
import os, time
from ttame.params.settings import ExecutionSettings
from ttame.runtime import warm_start
warm_start.start(ExecutionSettings(device="cpu", devices=1, threads=1, batch_size=4))
print(os.environ[warm_start.VARIABLE], flush=True)
time.sleep(600)
"""

WAITING = """
import os, subprocess, time
worker = subprocess.Popen(["sleep", "600"])
print(os.getpid(), worker.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_copy_is_where_and_what_an_ordinary_start_would_be(server, package) -> None:
    package.says("""
import os
print("torch" in sys.modules, os.getcwd(), os.environ["COLOUR"], os.environ.get("TTAME_WARM_START"), sys.argv[1:])
print(sys.stdin.read(), __file__, sys.orig_argv[1:3], file=sys.stderr)
return 3
""")
    for path, warm in (server, True), ("", False):
        job = package.start(path)
        output, errors = job.communicate("typed")
        assert output == f"{warm} {package.folder} green {None if warm else path} ['maps', 'shapes_cnn']\n"
        assert errors == f"typed {package.folder}/ttame/cli/main.py ['-m', 'ttame']\n"
        assert job.returncode == 3


def test_other_commands_start_as_usual(server, package) -> None:
    package.says("print('torch' in sys.modules)")
    assert package.start(server, "show").communicate()[0] == "False\n"


@pytest.mark.parametrize("state", ["absent", "refused", "another version"])
def test_without_a_server_that_answers_a_stage_starts_as_usual(server, package, tmp_path, state) -> None:
    package.says("print('torch' in sys.modules)")
    path = tmp_path / Path(server).name
    if state == "refused":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    if state == "another version":
        path = Path(server)
        with (package.folder / "ttame" / "runtime" / "warm_server.py").open("a") as file:
            file.write("# edited\n")
    assert package.start(str(path)).communicate() == ("False\n", "")


def test_an_error_is_told(server, package) -> None:
    package.says("raise ValueError('no such thing')")
    job = package.start(server)
    assert "ValueError: no such thing" in job.communicate()[1]
    assert job.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on(server, package, number) -> None:
    package.says(f"""
import signal, time
def stop(*_):
    print("stopped")
    sys.exit(100)
signal.signal({int(number)}, stop)
print("ready", flush=True)
time.sleep(600)
""")
    job = package.start(server)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    job.send_signal(number)
    assert job.communicate(timeout=60)[0] == "stopped\n"
    assert job.returncode == 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1])
def test_a_copy_that_dies_of_a_signal_is_reported_as_that(server, package, number) -> None:
    package.says(f"import os; os.kill(os.getpid(), {int(number)})")
    job = package.start(server)
    job.communicate(timeout=60)
    assert job.returncode == -number


def test_a_copy_and_its_workers_end_with_who_waits_for_them(server, package) -> None:
    package.says(WAITING)
    job = package.start(server)
    processes = _started(job)
    job.kill()
    assert _are_gone(processes)


@pytest.mark.slow
def test_all_end_with_the_process_that_started_the_server(package, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    path = holder.stdout.readline().strip()
    package.says(WAITING)
    job = package.start(path)
    processes = _started(job)
    holder.kill()
    assert _are_gone(processes)
    job.communicate(timeout=60)
    assert job.returncode == -signal.SIGTERM, "it was asked, and could have saved its state"
    assert _until(lambda: not Path(path).parent.exists())


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["client", "engine"])
def test_a_copy_can_save_its_state_when_it_is_left_alone(package, monkeypatch, tmp_path, gone) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    path = holder.stdout.readline().strip()
    package.says(f"""
import signal, time
def stop(*_):
    time.sleep(0.5)
    open({str(tmp_path / "saved")!r}, "w").close()
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(600)
""")
    job = package.start(path)
    assert job.stdout is not None
    assert job.stdout.readline() == "ready\n"
    (job if gone == "client" else holder).kill()
    assert _until((tmp_path / "saved").exists)
    job.communicate(timeout=60)
    holder.kill()


def test_nothing_is_started_where_jobs_start_processes(monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    warm_start.start(ExecutionSettings(device="cpu", devices=2, threads=1, batch_size=4))
    assert VARIABLE not in os.environ


def _started(job: subprocess.Popen[str]) -> list[int]:
    assert job.stdout is not None
    return [int(word) for word in job.stdout.readline().split()]


def _are_gone(processes: list[int]) -> bool:
    assert processes
    return _until(lambda: all(_is_gone(process) for process in processes))


def _is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until(condition: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
