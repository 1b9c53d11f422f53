from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ttame.data.contents import OtherImage
from ttame.data.dataset import ImageDataset, epoch_order, in_order, load_batches
from ttame.data.sources import FolderSource
from ttame.data.transforms import Preprocessing, fit_image
from ttame.errors import TTameError

from ..conftest import IMAGENET

PREPROCESSING = Preprocessing((24, 24), 28, "bicubic", *IMAGENET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for index in range(6):
        size = (40, 50, 3) if index else (1, 1, 3)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(tmp_path / f"{index}.png")
    return tmp_path


def _dataset(folder: Path, seed: int | None) -> ImageDataset:
    return ImageDataset(FolderSource(folder), [f"{index}.png" for index in range(6)], PREPROCESSING, seed)


@pytest.mark.parametrize("seed", [None, 5])
def test_workers_and_batches_do_not_change_a_pixel(folder: Path, seed: int | None) -> None:
    one = torch.cat(list(load_batches(_dataset(folder, seed), in_order(6, 6), 0)))
    other = torch.cat(list(load_batches(_dataset(folder, seed), in_order(6, 4), 2)))
    assert one.shape == (6, 3, 24, 24)
    assert torch.equal(one, other)


def test_crops_change_with_the_epoch(folder: Path) -> None:
    dataset = _dataset(folder, 5)
    first = dataset[3]
    dataset.epoch = 1
    assert not torch.equal(first, dataset[3])


def test_bad_image_in_a_worker_is_one_line(folder: Path) -> None:
    (folder / "3.png").write_bytes(b"")
    for workers in (0, 2):
        with pytest.raises(TTameError, match="an empty file") as caught:
            list(load_batches(_dataset(folder, None), in_order(6, 6), workers))
        assert "\n" not in str(caught.value)


def test_an_error_in_a_worker_keeps_its_kind_and_its_line(folder: Path) -> None:
    class Changed:
        def load(self, name: str) -> Image.Image:
            raise OtherImage(f"{name}: its pixels are others")

    dataset = _dataset(folder, None)
    dataset.source = Changed()  # type: ignore[assignment]
    for workers in (0, 1):
        with pytest.raises(OtherImage, match=r"^0\.png: its pixels are others$"):
            list(load_batches(dataset, in_order(6, 6), workers))


@pytest.mark.parametrize("size", [(1, 1), (30, 500), (500, 30), (28, 28), (24, 3000)])
def test_every_shape_fits_the_input(size: tuple[int, int]) -> None:
    cropped = fit_image(Image.new("RGB", size), PREPROCESSING)
    assert cropped.size == (24, 24)


def test_epochs_are_shuffled_whole_batches() -> None:
    batches = epoch_order(11, 4, seed=1, epoch=0)
    assert [len(batch) for batch in batches] == [4, 4]
    assert len({index for batch in batches for index in batch}) == 8
    assert batches == epoch_order(11, 4, seed=1, epoch=0)
    assert batches != epoch_order(11, 4, seed=1, epoch=1)


@pytest.mark.slow
@pytest.mark.parametrize(("device", "pinned"), [(None, False), ("cpu", False), ("cuda", True)])
def test_memory_is_pinned_for_cuda_alone(folder: Path, monkeypatch, device: str | None, pinned: bool) -> None:
    asked = {}

    def loader(dataset: ImageDataset, **options: Any) -> list[torch.Tensor]:
        asked.update(options)
        return []

    monkeypatch.setattr("ttame.data.dataset.DataLoader", loader)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert list(load_batches(_dataset(folder, None), [[0]], 0, torch.device(device) if device else None)) == []
    assert asked["pin_memory"] is pinned
