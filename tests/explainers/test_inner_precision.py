"""Masked passes in bfloat16, an option of the methods that take hundreds of them."""

from __future__ import annotations

import pytest
import torch

from ttame.backbones.loading import load_backbone
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.metrics.rank_correlation import rank_correlation
from ttame.params.settings import ModelSettings

OPTIONS = {"rise": {"masks": 30}, "scorecam": {}}


@pytest.mark.slow
@pytest.mark.parametrize("method", OPTIONS)
def test_bfloat16_ranks_pixels_as_float32_does(method) -> None:
    backbone = load_backbone("shapes_cnn", ModelSettings(model="shapes_cnn"))
    pixels = torch.from_numpy(render(1, 0).pixels)  # one image, since processors are slow in bfloat16
    images = backbone.normalise(to_unit_range(pixels.movedim(-1, 0)[None]))
    targets = backbone(images).argmax(dim=1)
    exact, half = (
        make_explainer(method, backbone, OPTIONS[method] | {"precision": precision})(images, targets)
        for precision in ("float32", "bfloat16")
    )
    assert half.dtype == torch.float32
    assert not torch.equal(exact, half)
    assert rank_correlation(exact, half).min() > 0.95


@pytest.mark.parametrize("method", OPTIONS)
def test_other_precisions_are_refused(method, tiny_cnn) -> None:
    explainer = make_explainer(method, tiny_cnn.double(), OPTIONS[method] | {"precision": "bfloat16"})
    with pytest.raises(TTameError, match="precision: bfloat16 is for a classifier in float32, not float64"):
        explainer(torch.rand(1, 3, 32, 32, dtype=torch.float64), torch.tensor([0]))
