"""Maps as large as the image, kept smaller."""

from __future__ import annotations

import pytest
import torch

from ttame.explainers.explainer import at_most, make_explainer
from ttame.explainers.registry import EXPLAINERS

from .any_method import OPTIONS, PAIRS, batch_for

FINE = [
    (name, method) for name, method in PAIRS if "largest" in getattr(EXPLAINERS[method].options, "model_fields", ())
]


@pytest.mark.parametrize(("name", "method"), FINE)
def test_maps_as_large_as_the_image_are_kept_smaller_where_that_is_asked(name, method, request) -> None:
    backbone = request.getfixturevalue(f"tiny_{name}")
    images, targets, _ = batch_for(backbone)
    whole = make_explainer(method, backbone, OPTIONS[method])(images, targets)
    rows, columns = whole.shape[1:]
    half = make_explainer(method, backbone, OPTIONS[method] | {"largest": max(rows, columns) // 2})(images, targets)
    areas = whole.unflatten(2, (columns // 2, 2)).unflatten(1, (rows // 2, 2)).mean((2, 4))
    torch.testing.assert_close(half, areas)
    as_it_is = make_explainer(method, backbone, OPTIONS[method] | {"largest": 400})(images, targets)
    assert torch.equal(as_it_is, whole)


def test_a_smaller_map_has_the_sides_ratio() -> None:
    maps = torch.rand(2, 30, 90)
    assert at_most(maps, 60).shape == (2, 20, 60)
    assert at_most(maps, 60).mean().item() == pytest.approx(maps.mean().item(), rel=0.01)
    assert {method for _, method in FINE} == {"rise", "iia", "integrated_gradients", "smoothgrad"}
