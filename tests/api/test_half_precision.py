"""A classifier in half precision rounds; what is summed and normalised around it must not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ttame
from ttame.explainers.explainer import make_explainer
from ttame.metrics.rank_correlation import rank_correlation

from .conftest import SIDE, small_cnn, wrapped

OPTIONS: dict[str, dict[str, Any]] = {
    "rise": {"masks": 1000, "cells": 4},
    "integrated_gradients": {"steps": 100},
    "smoothgrad": {"draws": 100},
    "iia": {"steps": 20},
}


@pytest.mark.parametrize("method", OPTIONS)
def test_many_terms_are_summed_in_single_precision(method: str) -> None:
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    exact, half = (
        make_explainer(method, wrapped(small_cnn(dtype)), OPTIONS[method])(images.to(dtype), torch.tensor([1, 1]))
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert half.dtype == torch.float32
    assert rank_correlation(exact, half).min() > 0.95


def test_what_is_given_is_in_the_precision_of_the_model() -> None:
    result = ttame.Explainer("rise", wrapped(small_cnn(torch.bfloat16)), masks=4)(torch.rand(1, 3, SIDE, SIDE))
    assert result.overlay().size == (SIDE, SIDE)
    assert "data:image/png" in result._repr_html_()
    assert {result.raw.dtype, result.saliency.dtype, result.probabilities.dtype} == {torch.bfloat16}


def test_maps_are_normalised_before_they_are_rounded() -> None:
    """Single precision tells apart what lies within one rounding of half precision."""
    model = wrapped(small_cnn(torch.bfloat16))
    images = torch.rand(2, 3, SIDE, SIDE)
    maps = torch.rand(2, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"measures": ["average_drop", "complexity"], "targets": 1}
    found, expected = (ttame.evaluate(model, images, shown, **options) for shown in (maps / 1000 + 1, maps))
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), abs=0.5)
    assert expected["complexity"].between(40, 60).all()
