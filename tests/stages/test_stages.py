"""The stages one after the other, as the engines run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from ttame.cli.main import main

from ..conftest import REPOSITORY, whole_maps
from .conftest import METHODS, run


def _run_all() -> None:
    run("datalists")
    run("train", "shapes_cnn", "ttame")
    for method in METHODS:
        run("maps", "shapes_cnn", method)
        run("scores", "shapes_cnn", method)
        run("sanity", "shapes_cnn", method)
    run("basis", "shapes_cnn", "single_deletion")
    for method in METHODS:
        run("measure", "shapes_cnn", method, "single_deletion")
    run("sensitivity", "shapes_cnn")
    run("tables")
    run("page")
    run("figure", "shapes_cnn")


def _results(folder: Path) -> dict[str, bytes]:
    """Every result but the measurements and the page that shows them."""
    files = [path for path in (folder / "results").rglob("*") if path.is_file()]
    files = [path for path in files if "cost" not in str(path) and path.name != "measured.html"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_two_runs_are_the_same_bytes_and_batches_do_not_matter(experiment) -> None:
    first = experiment("first")
    _run_all()
    assert not list((first / ".scratch").rglob("*.safetensors")), "finished work leaves no scratch"
    second = experiment("second")
    _run_all()
    expected, got = _results(first), _results(second)
    assert expected.keys() == got.keys()
    assert len(expected) == 6 + 2 + 4 + 4 + 4 + 1 + 4 + 1 + (10 + 4) + 1 + 1
    assert [name for name in expected if expected[name] != got[name]] == []

    third = experiment("third", batch_size=7)
    _run_all()
    for method in METHODS:
        named = "ttame.seed1" if method == "ttame" else method
        path = Path("results/tiny/maps/shapes_cnn", f"{named}.safetensors")
        ours, theirs = whole_maps(first / path), whole_maps(third / path)
        torch.testing.assert_close(ours.maps, theirs.maps, atol=1e-5, rtol=1e-5)
        path = Path("results/tiny/scores/shapes_cnn", f"{named}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(first / path), pd.read_parquet(third / path), atol=1e-5)


def test_sanity_check_tells_what_depends_on_the_classifier(experiment) -> None:
    experiment()
    run("datalists")
    for method in ("random", "gradcam"):
        run("sanity", "shapes_cnn", method)
    tables = {name: pd.read_csv(f"results/tiny/sanity/shapes_cnn/{name}.csv") for name in ("random", "gradcam")}
    depths = ["depth_1", "depth_50", "depth_100"]
    assert len(tables["random"]) == 8, "of ten images"
    assert (tables["random"][depths] == 1.0).all(axis=None), "a map that looks at nothing stays"
    means = tables["gradcam"][depths].mean()
    assert means["depth_1"] < 0.99
    assert abs(means["depth_100"]) < 0.5


KILL_AFTER = """
import os, signal, sys
from ttame.store import scratch
from ttame.attention import training
from ttame.cli.main import main

def deadly(owner, name, calls):
    function, count = getattr(owner, name), 0
    def call(*arguments):
        nonlocal count
        count += 1
        result = function(*arguments)
        if count == calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, call)

deadly(scratch.Scratch, "save", 2)
deadly(training.AttentionTraining, "step", 5)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_killed_stages_go_on_and_end_as_unbroken_ones(experiment) -> None:
    unbroken = experiment("unbroken")
    run("datalists")
    commands = [("train", "ttame"), ("maps", "ttame"), ("scores", "ttame")]
    for stage, method in commands:
        run(stage, "shapes_cnn", method)
    killed = experiment("killed")
    run("datalists")
    for stage, method in commands:
        arguments = [sys.executable, "-c", KILL_AFTER, stage, "shapes_cnn", method]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        finished = subprocess.run(arguments, env=environment, cwd=killed, check=False, capture_output=True)
        assert finished.returncode == -signal.SIGKILL
        assert any((killed / ".scratch").rglob("*.*"))
        run(stage, "shapes_cnn", method)
    assert _results(unbroken) == _results(killed)


def test_maps_of_another_list_and_missing_scores_are_refused(experiment, capsys) -> None:
    folder = experiment()
    run("datalists")
    run("maps", "shapes_cnn", "center")
    run("scores", "shapes_cnn", "center")
    listed = folder / "results/tiny/datalists/evaluation.txt"
    listed.write_text("\n".join(listed.read_text().splitlines()[:-1]) + "\n")
    assert main(["scores", "shapes_cnn", "center"]) == 1
    assert "maps of 10 images, but" in capsys.readouterr().err
    assert main(["tables"]) == 1
    assert "random.parquet: no such scores" in capsys.readouterr().err
