"""Runs that are killed in every way at every stage: the same command goes on, and ends as an unbroken run does.

`TTAME_KILL_ROUNDS=10 pytest -s -m long tests/pipeline/test_kills.py` makes ten kills of every kind in each engine.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest

from .checkout import BINARIES, shell
from .killed_runs import (
    ENGINES,
    SIGNALS,
    STAGES,
    WHOM,
    Files,
    Kill,
    end_orphans,
    kill,
    leftovers,
    output,
    results,
    tiny_experiment,
    unbroken,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
    pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed"),
]

MAPS = "results/tiny/maps/shapes_cnn/gradcam.safetensors"
MADE = {"train": "attention", "truths": "model_truths"}
"""The folders of results that have not the name of their stage."""


def test_the_same_command_goes_on_after_a_kill_of_all(tmp_path) -> None:
    folder = tiny_experiment(tmp_path, ["gradcam"])
    engine = [*ENGINES["snakemake"], MAPS]
    kill(folder, engine, Kill("maps", signal.SIGKILL, "group"), 0.1, random.Random(1))
    assert not end_orphans(folder, 90)
    unbroken(folder, engine)
    assert (folder / MAPS).exists()


def test_rounds_meet_every_stage_with_every_kind_of_kill() -> None:
    kills = [each for number in range(10) for each in _round(number, random.Random(1))]
    kinds = list(itertools.product(STAGES, SIGNALS, WHOM))
    assert {(each.stage, each.number, each.whom) for each in kills} == set(kinds)
    assert all(sum(each.number == n and each.whom == w for each in kills) == 10 for _, n, w in kinds)


@pytest.mark.long
@pytest.mark.parametrize("name", ENGINES)
def test_after_kills_the_results_are_those_of_an_unbroken_run(tmp_path, name) -> None:
    engine = ENGINES[name]
    folder = tiny_experiment(tmp_path, ["gradcam"])
    seconds = unbroken(folder, engine)
    expected = results(folder)
    shutil.rmtree(folder / "results")
    (folder / "dvc.lock").unlink(missing_ok=True)
    seed = int(os.environ.get("TTAME_KILLS_SEED", "1"))
    chance = random.Random(seed)
    wrong: list[str] = []
    for number in range(int(os.environ.get("TTAME_KILL_ROUNDS", "1"))):
        for wanted in _round(number, random.Random(seed)):
            # A busy machine meets no stage at the first try, or is slow to come to its middle.
            for share in (0.6, 0.3, 0.0):
                _forget(folder, MADE.get(wanted.stage, wanted.stage))
                before = results(folder)
                later = chance.uniform(0, share) * seconds[wanted.stage]
                met = kill(folder, engine, wanted, later, chance)
                said = [f"orphan: {orphan}" for orphan in end_orphans(folder, 120)]
                said += _harm(folder, before, expected)
                print(f"{name} {number}: {wanted}, {later:.2f} s, met {met}, {said or 'nothing wrong'}", flush=True)
                wrong += [f"round {number}, {wanted}: {what}" for what in said]
                _remove_emptied_lock_of_dvc(folder)
                if met:
                    break
            else:
                wrong.append(f"round {number}, {wanted}: the stage was not met")
        said = _end(folder, engine, expected)
        print(f"{name} {number}: {said or 'the bytes of an unbroken run'}", flush=True)
        wrong += [f"round {number}: {what}" for what in said]
    assert not wrong, "\n".join(wrong)


def _round(number: int, chance: random.Random) -> list[Kill]:
    """One kill of every kind, in the order of the stages, so that those before it are done; in each round at others."""
    ways = list(itertools.product(SIGNALS, WHOM))
    chance.shuffle(ways)
    kills = [Kill(STAGES[(place + number) % len(STAGES)], *way) for place, way in enumerate(ways)]
    return sorted(kills, key=lambda each: STAGES.index(each.stage))


def _harm(folder: Path, before: Files, expected: Files) -> list[str]:
    """Files that are not what an unbroken run makes of them, and finished ones that are neither here nor with DVC."""
    after = results(folder)
    changed = [f"changed: {path}" for path, content in after.items() if expected.get(path) != content]
    gone = [f"gone: {path}" for path in before.keys() - after.keys() if not _is_cached(folder, before[path])]
    return changed + gone


def _is_cached(folder: Path, content: bytes) -> bool:
    """Whether DVC, which deletes what a stage makes anew, has it in its cache."""
    return _in_cache(folder, content).exists()


def _in_cache(folder: Path, content: bytes) -> Path:
    name = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return folder / ".dvc/cache/files/md5" / name[:2] / name[2:]


def _forget(folder: Path, made: str) -> None:
    """Delete what a stage made, in DVC's cache too, so that it has something to do whatever finished before."""
    for path in (folder / "results/tiny" / made).rglob("*.*"):
        _in_cache(folder, path.read_bytes()).unlink(missing_ok=True)
        path.unlink()
    shutil.rmtree(folder / ".dvc/cache/runs", ignore_errors=True)


def _remove_emptied_lock_of_dvc(folder: Path) -> None:
    """DVC writes this file in place, so a signal in that moment leaves it empty: the one thing to clean by hand."""
    lock = folder / ".dvc/tmp/rwlock"
    if lock.exists() and not lock.read_text():
        print("dvc: its lock was left empty", flush=True)
        lock.unlink()


def _end(folder: Path, engine: list[str], expected: Files) -> list[str]:
    """What is wrong after the same command has run to its end."""
    try:
        unbroken(folder, engine)
    except AssertionError:
        return [f"it does not go on: {output(folder)[-2000:]}"]
    found = results(folder)
    wrong = [f"other bytes: {path}" for path in found.keys() | expected if found.get(path) != expected.get(path)]
    wrong += [f"left: {path}" for path in leftovers(folder)]
    # Their next writer removes them when they are a day old; until then neither git nor DVC sees them.
    for path in (folder / "results").rglob("*.tmp"):
        for program in ("git", "dvc"):
            if not shell(folder, program, "check-ignore", str(path.relative_to(folder)), check=False):
                wrong.append(f"{program} does not ignore {path.relative_to(folder)}")
    again = shell(folder, *(["snakemake", "--dry-run"] if engine[0] == "snakemake" else ["dvc", "status"]))
    if not any(line in again for line in ("Nothing to be done", "up to date")):
        wrong.append(f"it has work to do after its end: {again[-500:]}")
    return wrong
