"""A stage whose images several jobs share ends with the bytes of one job; engines and tables: tests/pipeline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ttame.cli.main import main

from ..conftest import REPOSITORY
from .conftest import run
from .test_stages import KILL_AFTER

BACKBONES = ("shapes_cnn", "shapes_vit")
METHOD = "gradcam"
STAGES = ("maps", "scores", "sanity")


def _two_backbones(folder: Path) -> None:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["backbones"] = list(BACKBONES)
    params["methods"] |= {"training_free": [METHOD], "trained": []}
    params["report"]["reference"] = "gradcam"
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")


def _results(folder: Path) -> dict[str, bytes]:
    files = [path for name in STAGES for path in (folder / "results/tiny" / name).rglob("*.*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _process(*arguments: str, killed: bool = False) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", KILL_AFTER] if killed else [sys.executable, "-m", "ttame"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen([*command, *arguments], env=environment, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_parts_killed_and_run_twice_give_the_same_bytes(experiment) -> None:
    whole = experiment("whole", batch_size=1)
    _two_backbones(whole)
    for stage in STAGES:
        for backbone in BACKBONES:
            run(stage, backbone, METHOD)
    expected = _results(whole)
    assert len(expected) == 2 * 3

    for count in (3, 8):
        parted = experiment(f"{count} parts", batch_size=1)
        _two_backbones(parted)
        for stage in STAGES:
            for backbone in BACKBONES:
                _in_parts(stage, backbone, count)
                run(stage, backbone, METHOD)
        assert not list((parted / ".scratch").rglob("*.safetensors"))
        assert _results(parted) == expected


def _in_parts(stage: str, backbone: str, count: int) -> None:
    """All but the last; on one backbone one is killed after two batches, and one runs twice at the same time."""
    first = backbone == BACKBONES[count == 8]
    for number in range(1, count):
        arguments = (stage, backbone, METHOD, "--part", f"{number}/{count}")
        if first and number == 1 and count == 3:
            assert _process(*arguments, killed=True).wait() == -signal.SIGKILL
        elif first and number == 2:
            assert [process.wait() for process in [_process(*arguments), _process(*arguments)]] == [0, 0]
        else:
            run(*arguments)
    assert not list(Path("results/tiny", stage, backbone).glob(f"{METHOD}.*")), "a part writes no result"


def test_more_parts_than_batches_and_their_seconds(experiment) -> None:
    """The whole counts the seconds of its parts, and forgets them."""
    whole, parted = experiment("whole"), experiment("parted")
    for folder in (whole, parted):
        os.chdir(folder)
        run("datalists")
        for number in range(1, 6) if folder == parted else []:
            run("maps", "shapes_cnn", "center", "--part", f"{number}/5")
        records = folder / "logs/tiny/stages"
        parts = [json.loads(file.read_text()) for file in records.glob("maps.*.part-*.json")]
        assert len(parts) == (5 if folder == parted else 0)
        run("maps", "shapes_cnn", "center")
        assert not list(records.glob("*.part-*"))
        took = json.loads((records / "maps.shapes_cnn.center.json").read_text())["seconds"]
        assert took > sum(part["seconds"] for part in parts) - 0.01
    assert _results(whole) == _results(parted) != {}


@pytest.mark.parametrize("part", ["4/3", "0/3", "1", "a/b"])
def test_what_is_no_part_is_refused(part: str, experiment, capsys) -> None:
    experiment()
    run("datalists")
    assert main(["maps", "shapes_cnn", "center", "--part", part]) != 0
    assert (
        f"--part {part}: expected the number of a part and how many there are, such as 3/8" in capsys.readouterr().err
    )


def test_a_pair_that_is_not_defined_leaves_it_to_the_whole(experiment, capsys) -> None:
    folder = experiment()
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["methods"]["training_free"] = ["rollout", "gradcam"]
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    capsys.readouterr()
    run("maps", "shapes_cnn", "rollout", "--part", "1/2")
    assert capsys.readouterr().err == ""
    assert not (folder / "results/tiny/maps").exists()
    run("maps", "shapes_cnn", "rollout")
    assert capsys.readouterr().err.startswith("nothing to do: rollout is defined on transformers alone")
    assert (folder / "results/tiny/maps/shapes_cnn/rollout.safetensors").exists()
