from __future__ import annotations

import numpy as np
import pytest
import torch

from ttame.explainers.explainer import make_explainer
from ttame.explainers.rise import draw_grids, enlarge

from .golden_networks import rise_cnn

OPTIONS = {"masks": 40, "cells": 4, "keep": 0.5, "scores": "softmax", "seed": 3}


@pytest.mark.parametrize(("prefix", "size"), [("", (32, 32)), ("nondiv.", (30, 26))])
def test_golden_masks(golden, prefix, size) -> None:
    arrays = golden("rise")
    masks = enlarge(arrays[f"{prefix}grid"].float(), arrays[f"{prefix}shift_xy"], size)
    torch.testing.assert_close(masks, arrays[f"{prefix}masks"][:, 0], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("scores", "name"), [("logits", "saliency"), ("softmax", "saliency_softmax")])
def test_golden_saliency(golden, scores, name, monkeypatch) -> None:
    arrays = golden("rise")
    drawn = arrays["grid"], arrays["shift_xy"]
    monkeypatch.setattr("ttame.explainers.rise.draw_grids", lambda *_: drawn)
    explainer = make_explainer("rise", rise_cnn(arrays), OPTIONS | {"masks": 64, "scores": scores})
    for target in range(6):
        maps = explainer(arrays["images"], torch.tensor([target, target]))
        expected = torch.stack([arrays[f"{index}.{name}"][target] for index in range(2)])
        torch.testing.assert_close(maps, expected, atol=1e-5, rtol=0)


def test_masks_keep_the_share_that_was_asked_for_and_shift_within_a_cell() -> None:
    grids, shifts = draw_grids(4000, 7, 0.3, (30, 26), seed=0)
    assert grids.double().mean().item() == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / grids.numel()))
    assert shifts.amin(0).tolist() == [0, 0]
    assert shifts.amax(0).tolist() == [4, 3]
    masks = enlarge(grids[:50].float(), shifts[:50], (30, 26))
    assert masks.shape == (50, 30, 26)
    assert 0 <= masks.min() <= masks.max() <= 1


def test_all_images_see_the_same_masks(tiny_cnn) -> None:
    first, second = (make_explainer("rise", tiny_cnn, OPTIONS) for _ in range(2))
    images = torch.randn(2, 3, 32, 32)
    targets = torch.tensor([1, 1])
    together = first(images, targets)
    torch.testing.assert_close(second(images[1:], targets[1:])[0], together[1], atol=1e-6, rtol=1e-6)
    other = make_explainer("rise", tiny_cnn, OPTIONS | {"seed": 4})(images, targets)
    assert not torch.allclose(other, together)
