"""ROAD's fills: how many a second, solved as the device solves them."""

from __future__ import annotations

import sys

import torch

from benchmarks.photographs import settings_of
from ttame.metrics.imputation import impute_linear
from ttame.runtime.device import device_name, read_clock, select_device

BATCH = {"cpu": 32, "cuda": 320}
ROUNDS = 3
SIDE = 224
WANTED = {"cpu": "", "cuda": "at least 300"}
Row = list[str]


def rows() -> list[Row]:
    """Images filled in a second, for every share of ROAD, of pixels removed here and there and in one piece."""
    settings = settings_of("photos")
    device = select_device(settings.execution)
    images = torch.randn(BATCH[device.type], 3, SIDE, SIDE, device=device)
    noise = torch.rand(len(images), SIDE, SIDE, device=device)
    across = torch.linspace(0, 1, SIDE, device=device).expand(len(images), SIDE, SIDE)
    found = []
    for share in settings.metrics.road.shares:
        for where, rank in (("scattered", noise), ("in one piece", across)):
            removed = rank < share / 100
            impute_linear(images, removed)
            started = read_clock(device)
            for _ in range(ROUNDS):
                impute_linear(images, removed)
            speed = ROUNDS * len(images) / (read_clock(device) - started)
            found.append([f"{share} %, {where}, {device_name(device)}", f"{speed:.0f}", WANTED[device.type]])
            print(*found[-1], sep=" | ", file=sys.stderr, flush=True)
    return found
