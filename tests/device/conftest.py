from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.device_work import DeviceWork, device_work
from tests.device.accelerator import DEVICE, Accelerator, OnDevice
from tests.stages.conftest import experiment
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.params.settings import ModelSettings

__all__ = ["experiment"]

IMAGES = 2
Pair = tuple[Backbone, Backbone]


@pytest.fixture(autouse=True)
def _accelerator(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    autocast = torch.autocast

    def known(kind: str, *arguments: Any, **others: Any) -> AbstractContextManager[Any]:
        return nullcontext() if kind == DEVICE.type else autocast(kind, *arguments, **others)

    monkeypatch.setattr(torch, "autocast", known)  # which knows no such device
    with Accelerator():
        yield


@pytest.fixture(scope="session", params=["shapes_cnn", "shapes_vit"])
def loaded(request: pytest.FixtureRequest) -> Backbone:
    return load_backbone(request.param, ModelSettings(model=request.param, weights="default"))


@pytest.fixture
def pair(loaded: Backbone) -> Pair:
    """A classifier on the CPU and its copy on the device."""
    return loaded, copy.deepcopy(loaded).to(DEVICE)


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    return [Sample(str(index), render(1, index).object_mask) for index in range(IMAGES)]


@pytest.fixture(scope="session")
def images() -> Tensor:
    """(2, 3, 64, 64) in [0, 1], on the CPU."""
    pixels = np.stack([render(1, index).pixels for index in range(IMAGES)])
    return to_unit_range(torch.from_numpy(pixels).permute(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)


@pytest.fixture
def asked() -> Callable[[Callable[[], object]], DeviceWork]:
    """What a call asks of the device."""
    return lambda work: device_work(work, lambda tensor: isinstance(tensor, OnDevice))
