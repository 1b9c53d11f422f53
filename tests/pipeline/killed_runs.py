"""Runs of an engine in a folder of their own, their processes, and what they leave when they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout

ENGINES = {"snakemake": ["snakemake", "--cores", "2"], "dvc": ["dvc", "repro"]}
STAGES = ("datalists", "truths", "train", "maps", "scores", "sanity", "page")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
WHOM = ("job", "engine", "group")
PATIENCE = 600
"""Seconds that a run may take on a busy machine."""

Files = dict[Path, bytes]


@dataclass(frozen=True)
class Kill:
    """Which signal, to whom, and while which stage runs."""

    stage: str
    number: signal.Signals
    whom: str

    def __str__(self) -> str:
        return f"{self.number.name} to the {self.whom} during {self.stage}"


def tiny_experiment(folder: Path, methods: list[str]) -> Path:
    params: dict[str, Any] = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    params["methods"]["training_free"] = methods
    params["data"]["model_truths"] = params["backbones"]  # without it no classifier's truths are asked for
    return copy_checkout(folder, params)


def start(folder: Path, engine: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    with (folder / "output.log").open("wb") as output:
        return subprocess.Popen(
            engine,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )


def output(folder: Path) -> str:
    return (folder / "output.log").read_text(errors="replace")


def processes(folder: Path) -> dict[int, str]:
    """Command lines of the processes in a folder, without those that have ended."""
    found = {}
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return {process: command for process, command in found.items() if command}


def jobs(folder: Path, stage: str) -> list[int]:
    """The processes of a stage, and the copies of a loaded process in which stages run."""
    found = processes(folder)
    started = [job for job, line in found.items() if f"-m ttame {stage}" in line and "python" in line.split()[0]]
    loaded = [process for process, line in found.items() if "warm_server" in line]
    copies = [process for process in loaded if _parent(process) in loaded]
    return started + copies if started else []


def _parent(process: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def until(condition: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def unbroken(folder: Path, engine: list[str]) -> dict[str, float]:
    """Run to the end; the seconds that the shortest job of each stage took."""
    run = start(folder, engine)
    seen: dict[str, dict[int, list[float]]] = {stage: {} for stage in STAGES}
    while run.poll() is None:
        for stage, of_stage in seen.items():
            for job in jobs(folder, stage)[:1]:
                of_stage.setdefault(job, []).append(time.monotonic())
        time.sleep(0.05)
    assert run.returncode == 0, output(folder)[-3000:]
    return {stage: min((t[-1] - t[0] for t in found.values()), default=0.0) for stage, found in seen.items()}


def kill(folder: Path, engine: list[str], wanted: Kill, later: float, chance: Random) -> bool:
    """Whether the stage was met, `later` seconds after it began; returns when the engine should have ended."""
    run = start(folder, engine)
    until(lambda: jobs(folder, wanted.stage) or run.poll() is not None, PATIENCE)
    time.sleep(later)
    met = jobs(folder, wanted.stage)
    if run.poll() is None:
        if wanted.whom == "group":
            os.killpg(run.pid, wanted.number)
        elif wanted.whom == "engine" or not met:
            run.send_signal(wanted.number)
        else:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(met), wanted.number)
    with suppress(subprocess.TimeoutExpired):  # it is an orphan then
        run.wait(PATIENCE)
    return bool(met)


def end_orphans(folder: Path, seconds: float) -> list[str]:
    """Command lines of what outlives the run; it is killed, so that the next run is not disturbed."""
    until(lambda: not processes(folder), seconds)
    orphans = processes(folder)
    for process in orphans:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return list(orphans.values())


def results(folder: Path, below: str = "results") -> Files:
    """Every result but measurements, and but the temporary files of writers that were killed."""
    files = [path.relative_to(folder) for path in (folder / below).rglob("*") if path.is_file()]
    files = [path for path in files if "cost" not in str(path) and path.name != "measured.html"]
    return {path: (folder / path).read_bytes() for path in files if path.suffix != ".tmp"}


def leftovers(folder: Path) -> list[str]:
    """What is still there of work in progress when nothing is left to do."""
    work = [path for path in (folder / ".scratch").rglob("*") if path.is_file() and path.suffix != ".lock"]
    aside = [path for name in ("backups", "incomplete", "locks") for path in (folder / ".snakemake" / name).rglob("*")]
    return [str(path.relative_to(folder)) for path in [*work, *aside] if path.is_file()]
