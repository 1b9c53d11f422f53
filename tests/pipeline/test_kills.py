"""Runs that are killed in every way at every stage: the same command goes on, and ends as an unbroken run does.

`TTAME_KILL_ROUNDS=10 pytest -s -m long tests/pipeline/test_kills.py` makes ten kills of every kind in each engine.
"""

from __future__ import annotations

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
    met: list[bool] = []
    wrong: list[str] = []
    for number in range(int(os.environ.get("TTAME_KILL_ROUNDS", "1"))):
        for wanted in _round(number, random.Random(seed)):
            # A busy machine meets no stage at the first try, or is slow to come to its middle.
            for share in (0.6, 0.3, 0.0):
                # So that there is something to do for this stage, whatever the runs before finished.
                shutil.rmtree(folder / "results/tiny" / MADE.get(wanted.stage, wanted.stage), ignore_errors=True)
                shutil.rmtree(folder / ".dvc" / "cache", ignore_errors=True)
                before = results(folder)
                later = chance.uniform(0, share) * seconds[wanted.stage]
                met.append(kill(folder, engine, wanted, later, chance))
                said = [f"orphan: {orphan}" for orphan in end_orphans(folder, 120)]
                said += _harm(before, results(folder), expected, name)
                print(f"{name} {number}: {wanted}, {later:.2f} s, met {met[-1]}, {said or 'nothing wrong'}", flush=True)
                wrong += [f"round {number}, {wanted}: {what}" for what in said]
                if met[-1]:
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


def _harm(before: Files, after: Files, expected: Files, engine: str) -> list[str]:
    """Files that are not what an unbroken run makes of them, and finished ones that are gone."""
    changed = [f"changed: {path}" for path, content in after.items() if expected.get(path) != content]
    # DVC has deleted what its stage makes anew, and has it in its cache; the page depends on measurements.
    gone = [path for path in before.keys() - after.keys() if engine != "dvc" or "page" not in path.parts]
    return changed + [f"gone: {path}" for path in gone]


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
