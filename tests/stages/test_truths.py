from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from ttame.backbones.loading import load_backbone
from ttame.data.datalists import read_datalist
from ttame.data.dataset import ImageDataset
from ttame.data.sources import open_source
from ttame.data.transforms import to_unit_range
from ttame.params.active import load_settings
from ttame.stages import truths

from ..conftest import REPOSITORY
from .conftest import run

FILE = Path("results/tiny/model_truths/shapes_cnn/train.txt")

IN_SMALL_PIECES = """
import os, signal, sys
from ttame.runtime.portable import make_portable
make_portable()
from ttame.store import scratch
from ttame.cli.main import main
from ttame.stages import truths

truths.TRUTHS_PIECE, kill_after, saved = 5, int(sys.argv[1]), []
def save(self, piece, tensors, original=scratch.Scratch.save):
    original(self, piece, tensors)
    saved.append(piece)
    if len(saved) == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)
scratch.Scratch.save = save
code = main(sys.argv[2:])
print(len(saved))
sys.exit(code)
"""


def _small_pieces(kill_after: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", IN_SMALL_PIECES, str(kill_after), "truths", "shapes_cnn"]
    return subprocess.run(command, env={"PYTHONPATH": str(REPOSITORY)}, check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_classes_of_the_training_list_survive_a_kill(experiment) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["data"]["model_truths"] = ["shapes_cnn"]
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    assert _small_pieces(kill_after=2).returncode == -signal.SIGKILL
    assert not FILE.exists()
    finished = _small_pieces(kill_after=99)
    assert finished.stdout.strip() == "3", "of five pieces of 24 images, two were there"
    settings = load_settings()
    backbone = load_backbone("shapes_cnn", settings.models["shapes_cnn"])
    names = [name for name, _ in read_datalist(FILE)]
    assert names == [name for name, _ in read_datalist(Path("results/tiny/datalists/train.txt"))]
    dataset = ImageDataset(open_source(settings.data, "train"), names, backbone.preprocessing)
    images = to_unit_range(torch.stack([dataset[index] for index in range(len(names))]))
    with torch.no_grad():
        expected = backbone(backbone.normalise(images)).argmax(1)
    assert [label for _, label in read_datalist(FILE)] == expected.tolist()
    assert truths.TRUTHS_PIECE > 24, "the run in one piece"
    before = FILE.read_bytes()
    run("truths", "shapes_cnn")
    assert FILE.read_bytes() == before


@pytest.mark.slow
def test_two_processes_share_the_list(experiment) -> None:
    folder = experiment(devices=2)
    run("datalists")
    command = [sys.executable, "-m", "ttame", "truths", "shapes_cnn"]
    environment = {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, timeout=120)
    shared = FILE.read_bytes()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["execution"]["devices"] = 1
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("truths", "shapes_cnn")
    assert FILE.read_bytes() == shared


@pytest.mark.parametrize("count", [3, 8])
def test_parts_give_the_same_bytes(count: int, experiment, monkeypatch) -> None:
    monkeypatch.setattr(truths, "TRUTHS_PIECE", 5)
    for name in ("whole", "parted"):
        experiment(name)
        run("datalists")
        for number in range(1, count) if name == "parted" else []:  # the last one is left to the whole
            run("truths", "shapes_cnn", "--part", f"{number}/{count}")
            assert not FILE.exists(), "a part writes no result"
        pieces = list(Path(".scratch").rglob("*.safetensors"))
        assert len(pieces) == (0 if name == "whole" else {3: 3, 8: 4}[count]), "of five"
        run("truths", "shapes_cnn")
        assert not list(Path(".scratch").rglob("*.safetensors"))
    assert FILE.read_bytes() == Path("../whole", FILE).read_bytes()
