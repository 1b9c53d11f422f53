"""No call of an explainer leaves anything behind."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import psutil
import pytest
import torch

from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.params.settings import ModelSettings

from .any_method import OPTIONS, make_method

LEAKED = 8 * 2**20
"""Bytes by which the resident memory of a process may grow by chance."""


def _measure(method: str, folder: Path) -> tuple[int, int]:
    """Bytes by which 100 calls grow a process, and by which something kept does; in a process without a past."""
    torch.set_num_threads(1)
    OPTIONS["iia"] = {"steps": 1}
    backbone = load_backbone("shapes_vit", ModelSettings(model="shapes_vit", weights="none"))
    explainer = make_method(method, backbone, folder)
    image, target = torch.rand(1, 3, 64, 64), torch.tensor([1])

    def resident_after(calls: int) -> int:
        """The least of the last twenty calls: the allocator moves by more than a leak, but comes back."""
        seen = []
        for _ in range(calls):
            explainer(image, target, [Sample("image")])
            seen.append(int(psutil.Process().memory_info().rss))
        return min(seen[-20:])

    before, after = resident_after(20), resident_after(100)
    kept = torch.ones(2 * LEAKED // 4)
    seen = resident_after(20) - after
    assert kept.sum() > 0
    return after - before, seen


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradcam", "ablationcam", "iia", "lrp", "legrad", "lcam_fm"])
def test_a_hundred_calls_leave_memory_flat(method: str, tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        grown, seen = pool.apply(_measure, (method, tmp_path))
    assert grown < LEAKED, "a leaked graph of one call is larger than 0.1 MB"
    assert seen > LEAKED, "what is kept is seen"
