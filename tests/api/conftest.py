"""An ordinary classifier of a user's, in both precisions, and a folder of photographs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import ttame
from ttame.backbones.backbone import Backbone
from ttame.data.shapes import render

MEAN, STD, SIDE = (0.5, 0.45, 0.4), (0.25, 0.2, 0.3), 32
KNOWN: dict[str, Any] = {"mean": MEAN, "std": STD, "input_size": SIDE}
CLASSES = ["ant", "bee", "cat", "dog", "elk"]


class SmallCNN(nn.Module):
    """As torchvision builds them: features, a mean over positions, a classifier; batch norms and in-place ReLUs."""

    def __init__(self, classes: int = len(CLASSES)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width_in, width in ((3, 8), (8, 12), (12, 16)):
            layers += [nn.Conv2d(width_in, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(self.features(images)).flatten(1))
        return logits


def small_cnn(dtype: torch.dtype = torch.float32) -> SmallCNN:
    """With random weights that tell images apart, and statistics of batch norm that are not those of the start."""
    torch.manual_seed(0)
    module = SmallCNN()
    with torch.no_grad():
        module.classifier.weight.mul_(20)
        module(torch.randn(64, 3, SIDE, SIDE))
    return module.to(dtype)


def wrapped(module: nn.Module) -> Backbone:
    return ttame.wrap(module, **KNOWN, class_names=CLASSES)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture
def module(dtype: torch.dtype) -> SmallCNN:
    return small_cnn(dtype)


@pytest.fixture
def model() -> Backbone:
    return wrapped(small_cnn())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """Ten pictures in `photos/` of an empty folder, which is entered."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for index in range(10):
        Image.fromarray(render(1, index).pixels).resize((48, 40)).save(tmp_path / f"photos/{index}.png")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def odd_files(folder: Path) -> Path:
    """Beside the photographs a file of text under two endings, and an empty folder."""
    for name in ("text.png", "text.safetensors"):
        Path(name).write_text("text")
    Path("empty").mkdir()
    return folder


OF_THE_PIPELINE = re.compile(r"params\.yaml|\b(models|attention|recipe|mechanism|execution|metrics|data)\.\w|datalist")


def refused(call: Callable[[], object], message: str) -> None:
    """A bad call is answered in one line that begins with the argument, names no key of a file, and writes nothing."""
    before = files(Path())
    with pytest.raises(ttame.TTameError) as caught:
        call()
    said = str(caught.value)
    assert re.match(message, said), said
    assert said.isprintable(), "one line"
    assert not OF_THE_PIPELINE.search(said), said
    assert files(Path()) == before
