"""Batches of images for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ttame.data.sources import ImageSource
from ttame.data.transforms import (
    Preprocessing,
    center_crop,
    random_crop_and_flip,
    resize_shorter_side,
    to_bytes,
)
from ttame.errors import TTameError
from ttame.runtime.stopping import leave_signals_to_parent


class ImageDataset(Dataset[Tensor]):
    """(3, H, W) uint8 images of a list; random crops and flips when `augmentation_seed` is given.

    Every random choice is a function of (seed, epoch, image), so neither the number of workers nor a resumed run
    changes a pixel.
    """

    def __init__(
        self,
        source: ImageSource,
        names: Sequence[str],
        preprocessing: Preprocessing,
        augmentation_seed: int | None = None,
    ) -> None:
        self.source = source
        self.names = list(names)
        self.preprocessing = preprocessing
        self.augmentation_seed = augmentation_seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        image = resize_shorter_side(self.source.load(self.names[index]), self.preprocessing)
        if self.augmentation_seed is None:
            return to_bytes(center_crop(image, self.preprocessing))
        random = np.random.default_rng([self.augmentation_seed, self.epoch, index])
        return to_bytes(random_crop_and_flip(image, self.preprocessing, random))


def load_batches(
    dataset: ImageDataset, batches: Sequence[list[int]], workers: int, device: torch.device | None = None
) -> Iterator[Tensor]:
    """Yield (B, 3, H, W) uint8 for every group of indices, decoded ahead by `workers` processes.

    The batches are in the memory of the CPU, pinned where they are to be copied to a `device` of CUDA.
    """
    loader = DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=device is not None and device.type == "cuda",
        collate_fn=torch.stack,
        worker_init_fn=leave_signals_to_parent,
    )
    try:
        yield from loader
    except TTameError as error:
        # A worker process hands over its traceback as the message; the line for the user is the last one.
        line = str(error).strip().splitlines()[-1]
        raise type(error)(line.removeprefix(f"{type(error).__module__}.{type(error).__name__}: ")) from None


def epoch_order(count: int, batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """A shuffled order cut into whole batches; the rest of an epoch that fills no batch is left out.

    Every batch has the same number of images because the `random` masking mode compares all pairs in it.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return [order[start : start + batch_size].tolist() for start in range(0, count - batch_size + 1, batch_size)]


def in_order(count: int, batch_size: int) -> list[list[int]]:
    """0..count-1 cut into consecutive batches, the last of which may be short."""
    return [list(range(start, min(start + batch_size, count))) for start in range(0, count, batch_size)]
