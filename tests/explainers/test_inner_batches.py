from __future__ import annotations

import pytest
import torch

from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.inner_batches import InnerBatches


def test_size_halves_once_when_memory_runs_out_and_stays(capsys) -> None:
    batches = InnerBatches(torch.device("cpu"))
    slices: list[tuple[int, int]] = []

    def work(start: int, stop: int) -> None:
        if stop - start > 16:
            raise torch.OutOfMemoryError
        slices.append((start, stop))

    batches.run(40, work)
    batches.run(20, work)
    assert slices == [(0, 16), (16, 32), (32, 40), (0, 16), (16, 20)]
    assert capsys.readouterr().err == "out of memory; going on with inner batches of 16\n"


def test_a_single_item_that_does_not_fit_is_said_in_one_line() -> None:
    def work(start: int, stop: int) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(TTameError, match=r"single perturbed image .*lower execution\.batch_size .*or use a method"):
        InnerBatches(torch.device("cpu")).run(3, work)


def test_other_errors_pass() -> None:
    def work(start: int, stop: int) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        InnerBatches(torch.device("cpu")).run(3, work)


@pytest.mark.parametrize("method", ["scorecam", "ablationcam", "rise", "integrated_gradients", "smoothgrad"])
def test_smaller_inner_batches_give_the_same_map(method, tiny_cnn) -> None:
    options = {"rise": {"masks": 40, "cells": 4, "keep": 0.5, "seed": 1}}.get(method)
    images, targets = torch.randn(2, 3, 32, 32), torch.tensor([0, 3])
    expected = make_explainer(method, tiny_cnn, options)(images, targets)
    explainer = make_explainer(method, tiny_cnn, options)
    explainer._batches.size = 3  # type: ignore[attr-defined]
    torch.testing.assert_close(explainer(images, targets), expected, atol=1e-5, rtol=1e-4)
