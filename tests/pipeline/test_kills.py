"""Runs that are killed in every way at every stage: the same command goes on, and ends as an unbroken run does."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
    pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed"),
]

ENGINES = {"snakemake": ["snakemake", "--cores", "2"], "dvc": ["dvc", "repro"]}
STAGES = ("datalists", "truths", "train", "maps", "scores", "sanity", "page")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
WHOM = ("job", "engine", "group")
MAPS = "results/tiny/maps/shapes_cnn/gradcam.safetensors"


def _experiment(folder: Path, methods: list[str]) -> Path:
    params: dict[str, Any] = tiny_params(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))
    params["methods"]["training_free"] = methods
    return copy_checkout(folder, params)


def _start(folder: Path, engine: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}"}
    output = (folder / "output.log").open("wb")
    return subprocess.Popen(
        engine,
        cwd=folder,
        env=environment,
        stdout=output,
        stderr=output,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _of_checkout(folder: Path) -> dict[int, str]:
    """Command lines of the processes in a folder, without those that have ended."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return {process: command for process, command in found.items() if command}


def _job(folder: Path, stage: str) -> int | None:
    jobs = _of_checkout(folder).items()
    return next((job for job, line in jobs if f"-m ttame {stage}" in line and "python" in line.split()[0]), None)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def _kill(folder: Path, engine: list[str], stage: str, number: int, whom: str, later: float) -> bool:
    """Whether the stage was met; nothing of the run is left afterwards."""
    run = _start(folder, engine)
    _until(lambda: _job(folder, stage) is not None or run.poll() is not None, 300)
    time.sleep(later)
    job = _job(folder, stage)
    if run.poll() is None:
        if whom == "group":
            os.killpg(run.pid, number)
        elif whom == "engine" or job is None:
            run.send_signal(number)
        else:
            os.kill(job, number)
    run.wait(300)
    assert _until(lambda: not _of_checkout(folder), 90), _of_checkout(folder)
    return job is not None


def _go_on(folder: Path, engine: list[str]) -> None:
    assert _start(folder, engine).wait(600) == 0, (folder / "output.log").read_text()[-3000:]


def _results(folder: Path) -> dict[Path, bytes]:
    """Every result but measurements."""
    files = [path.relative_to(folder) for path in (folder / "results" / "tiny").rglob("*") if path.is_file()]
    files = [path for path in files if "cost" not in str(path) and path.name != "measured.html"]
    return {path: (folder / path).read_bytes() for path in files}


def test_the_same_command_goes_on_after_a_kill_of_all(tmp_path) -> None:
    folder = _experiment(tmp_path, ["gradcam"])
    engine = [*ENGINES["snakemake"], MAPS]
    _kill(folder, engine, "maps", signal.SIGKILL, "group", 0.1)
    _go_on(folder, engine)
    assert (folder / MAPS).exists()


@pytest.mark.long
@pytest.mark.parametrize("name", ENGINES)
def test_after_kills_the_results_are_those_of_an_unbroken_run(tmp_path, name) -> None:
    engine = ENGINES[name]
    folder = _experiment(tmp_path, ["gradcam", "center"])
    _go_on(folder, engine)
    expected = _results(folder)
    shutil.rmtree(folder / "results")
    (folder / "dvc.lock").unlink(missing_ok=True)
    chance = random.Random(int(os.environ.get("TTAME_KILLS_SEED", "1")))
    ways = list(itertools.product(SIGNALS, WHOM))
    chance.shuffle(ways)
    # Every stage in turn, so that those before it are done and the next one is met.
    stages = sorted((STAGES * 2)[: len(ways)], key=STAGES.index)
    met = []
    for stage, (number, whom) in zip(stages, ways, strict=True):
        # So that there is something to do for this stage, whatever the runs before finished.
        made = {"train": "attention", "truths": "model_truths"}.get(stage, stage)
        shutil.rmtree(folder / "results/tiny" / made, ignore_errors=True)
        shutil.rmtree(folder / ".dvc" / "cache", ignore_errors=True)
        met.append(_kill(folder, engine, stage, number, whom, chance.uniform(0, 0.1)))
    assert sum(met) >= len(met) // 2, f"{sum(met)} of {len(met)} kills met their stage"
    _go_on(folder, engine)
    assert _results(folder) == expected
