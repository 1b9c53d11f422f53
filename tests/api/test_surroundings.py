"""What a caller set for torch around a call decides nothing in it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch

import ttame

from .conftest import SIDE, small_cnn, wrapped


@pytest.mark.parametrize("method", ["gradcam", "rise", "smoothgrad"])
def test_mixed_precision_around_a_call_does_not_reach_inside(method) -> None:
    options: dict[str, Any] = {"rise": {"masks": 20}, "smoothgrad": {"draws": 4}}.get(method, {})
    images = torch.randn(2, 3, SIDE, SIDE)
    measures = ["average_drop", "insertion_deletion"]
    module = small_cnn()
    model = wrapped(module)
    expected = ttame.Explainer(method, model, **options)(images)
    scores = ttame.evaluate(model, images, expected, measures)
    with torch.autocast("cpu", torch.bfloat16):
        again = wrapped(module)
        found = ttame.Explainer(method, again, **options)(images)
        table = ttame.evaluate(again, images, found, measures)
        assert torch.is_autocast_enabled("cpu"), "outside it goes on"
    assert torch.equal(found.raw, expected.raw)
    assert torch.equal(found.probabilities, expected.probabilities)
    pd.testing.assert_frame_equal(table, scores)


@pytest.mark.parametrize("method", ["gradcam", "rise"])
def test_the_callers_default_device_is_no_ones_business(method) -> None:
    """On `meta`, as on a GPU, what is made without a device is not where the module is."""
    module, images = small_cnn(), torch.randn(1, 3, SIDE, SIDE)
    options: dict[str, Any] = {"masks": 4} if method == "rise" else {}
    expected = ttame.Explainer(method, wrapped(module), **options)(images)
    with torch.device("meta"):
        model = wrapped(module)
        found = ttame.Explainer(method, model, **options)(images)
    assert torch.equal(found.raw, expected.raw)
