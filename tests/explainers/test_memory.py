"""No call of an explainer leaves anything behind."""

from __future__ import annotations

import psutil
import pytest
import torch

from .test_interface import OPTIONS, _batch, _make, vit

__all__ = ["vit"]

LEAKED = 8 * 2**20
"""Bytes, by which the resident memory of a process may grow by chance."""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["gradcam", "ablationcam", "iia", "lrp", "lcam_fm"])
def test_two_hundred_calls_leave_memory_flat(method, vit, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(OPTIONS, "iia", {"steps": 1})
    explainer = _make(method, vit, tmp_path)
    images, targets, samples = _batch(vit)

    def resident_after(calls: int) -> int:
        for _ in range(calls):
            explainer(images[:1], targets[:1], samples[:1])
        return psutil.Process().memory_info().rss

    before = resident_after(20)
    after = resident_after(200)
    assert after - before < LEAKED, "a leaked graph of one call is larger than 0.1 MB"
    kept = torch.ones(2 * LEAKED // 4)
    assert psutil.Process().memory_info().rss - after > LEAKED, "what is kept is seen"
    del kept
