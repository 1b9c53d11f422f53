"""A server is tried with commands of a package of the tests' own, which a copy must read instead of ttame."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A socket that answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(VARIABLE, raising=False)
        warm_start.start(EXECUTION)
        process, path = warm_start._servers.pop(), os.environ[VARIABLE]
        yield path
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
    assert not Path(path).parent.exists()


@pytest.fixture
def own_server(package: Package, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A socket of a server that has loaded the tests' package ahead."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(warm_start, "_PACKAGE", package.folder / "ttame")
    package.says("print(__import__('ttame.stages.maps').stages.maps.LOADED_BY)")
    package.stage("import os; LOADED_BY = os.getpid()")
    warm_start.start(EXECUTION)
    process, path = warm_start._servers.pop(), os.environ[VARIABLE]
    yield path
    assert process.stdin is not None
    process.stdin.close()
    process.wait(60)


class Package:
    """A ttame whose command line does what a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(REPOSITORY / "ttame" / "runtime", folder / "ttame" / "runtime")
        for name in ("__init__.py", "__main__.py", "errors.py"):
            shutil.copy(REPOSITORY / "ttame" / name, folder / "ttame")
        for name in ("cli/__init__.py", "stages/maps.py"):
            (folder / "ttame" / name).parent.mkdir(exist_ok=True)
            (folder / "ttame" / name).touch()

    def says(self, body: str) -> None:
        lines = ["import sys", "def main():", *(f"    {line}" for line in body.strip().splitlines())]
        (self.folder / "ttame" / "cli" / "main.py").write_text("\n".join(lines) + "\n")

    def stage(self, text: str) -> None:
        (self.folder / "ttame" / "stages" / "maps.py").write_text(text + "\n")

    def start(self, path: str, command: str = "maps") -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "ttame", command, "shapes_cnn"]
        pipe = subprocess.PIPE
        environment = os.environ | {VARIABLE: path, "COLOUR": "green", "PYTHONPATH": ""}
        return subprocess.Popen(
            arguments, cwd=self.folder, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


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


def test_code_that_was_edited_is_read_anew(server, package) -> None:
    for answer in ("first", "and the second"):
        package.says(f"print({answer!r}, 'torch' in sys.modules)")
        assert package.start(server).communicate()[0] == f"{answer} True\n"


def test_code_is_loaded_once_as_long_as_it_stays(own_server, package) -> None:
    loaded_by = [package.start(own_server).communicate() for _ in range(2)]
    assert loaded_by[0] == loaded_by[1], "both copies have the module of the server"
    package.stage("import os; LOADED_BY = f'{os.getpid()}, edited'")
    edited = [package.start(own_server).communicate()[0] for _ in range(2)]
    assert edited[0].endswith(", edited\n")
    assert edited[0] != edited[1], "every copy reads what was edited"


def test_code_that_does_not_load_is_told_by_who_runs_it(server, package) -> None:
    package.stage("this is no Python")
    load = "import sys; from ttame.runtime.loaded_code import load_stages; load_stages()"
    code = f"{load}; print('ttame.cli' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=package.folder, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    package.says("from ttame.stages import maps")
    assert "SyntaxError" in package.start(server).communicate()[1]


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
