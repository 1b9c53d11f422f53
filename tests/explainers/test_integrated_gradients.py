"""Integrated gradients against package captum, and where the integral is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.explainers.integrated_gradients import IntegratedGradients, gauss_legendre
from ttame.params.settings import ModelSettings

from .closed_forms import batch, power, rows


def _make(backbone: Backbone, steps: int) -> IntegratedGradients:
    explainer = make_explainer("integrated_gradients", backbone, {"steps": steps})
    assert isinstance(explainer, IntegratedGradients)
    return explainer


def _black(backbone: Backbone, images: Tensor) -> Tensor:
    return backbone.normalise(torch.zeros_like(images))


@torch.no_grad()
def _difference(backbone: Backbone, images: Tensor, targets: Tensor) -> Tensor:
    """(B,) logit of the target on the image, minus that on the black image."""
    return (backbone(images) - backbone(_black(backbone, images))).gather(1, targets[:, None])[:, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["tiny_cnn", "tiny_vit"])
def test_against_captum(name, dtype, request) -> None:
    captum = pytest.importorskip("captum.attr")
    backbone = request.getfixturevalue(name).to(dtype)
    images, targets = batch(backbone)
    expected = captum.IntegratedGradients(backbone).attribute(
        images, _black(backbone, images), targets, n_steps=50, method="gausslegendre"
    )
    explainer = _make(backbone, 50)
    found = explainer.attributions(images, targets)
    assert found.dtype == dtype
    torch.testing.assert_close(found / expected.abs().max(), expected / expected.abs().max(), atol=1e-5, rtol=0)
    if dtype == torch.float64:
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-5)
    assert torch.equal(explainer(images, targets), found.abs().sum(1))


@pytest.mark.parametrize("steps", [1, 7])
def test_of_a_linear_classifier_it_is_weight_times_difference(steps) -> None:
    backbone = power(1)
    images, targets = batch(backbone)
    expected = rows(backbone, targets) * (images - _black(backbone, images))
    torch.testing.assert_close(_make(backbone, steps).attributions(images, targets), expected, atol=1e-12, rtol=1e-12)
    maps = _make(backbone, steps)(images, targets)
    torch.testing.assert_close(maps, expected.abs().sum(1), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(("steps", "is_complete"), [(1, False), (2, True), (5, True)])
def test_a_polynomial_of_degree_four_is_complete_with_two_steps(steps, is_complete) -> None:
    backbone = power(4)
    images, targets = batch(backbone)
    total = _make(backbone, steps).attributions(images, targets).sum((1, 2, 3))
    difference = _difference(backbone, images, targets)
    assert torch.allclose(total, difference, atol=0, rtol=1e-10) == is_complete


def test_a_smooth_classifier_is_complete_to_rounding(tiny_vit) -> None:
    backbone = tiny_vit.double()
    images, targets = batch(backbone)
    total = _make(backbone, 50).attributions(images, targets).sum((1, 2, 3))
    torch.testing.assert_close(total, _difference(backbone, images, targets), atol=0, rtol=1e-11)


def test_kinks_cost_completeness_and_steps_bring_it(tiny_cnn) -> None:
    backbone = tiny_cnn.double()
    images, targets = batch(backbone)
    difference = _difference(backbone, images, targets)
    errors = [_make(backbone, n).attributions(images, targets).sum((1, 2, 3)) - difference for n in (10, 50, 500)]
    few, usual, many = (float((error / difference).abs().max()) for error in errors)
    assert few > 0.05
    assert usual < 0.02
    assert many < 0.002


@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
def test_trained_classifiers_are_complete_to_a_tenth(name) -> None:
    backbone = load_backbone(name, ModelSettings(model=name, weights="default"))
    pixels = torch.stack([torch.from_numpy(render(1, index).pixels) for index in range(2)])
    images = backbone.normalise(to_unit_range(pixels.permute(0, 3, 1, 2)))
    targets = backbone(images).argmax(1)
    total = _make(backbone, 50).attributions(images, targets).sum((1, 2, 3))
    torch.testing.assert_close(total, _difference(backbone, images, targets), atol=0, rtol=0.1)


def test_the_black_image_owes_nothing(tiny_cnn) -> None:
    images = _black(tiny_cnn, torch.zeros(1, 3, 32, 32))
    assert torch.equal(_make(tiny_cnn, 3)(images, torch.tensor([2])), torch.zeros(1, 32, 32))


def test_rule_integrates_polynomials() -> None:
    points, weights = gauss_legendre(6)
    assert ((points > 0) & (points < 1)).all()
    for degree in range(12):
        assert float((weights * points**degree).sum()) == pytest.approx(1 / (degree + 1), abs=1e-14)
    assert float((weights * points**12).sum()) != pytest.approx(1 / 13, abs=1e-10)


def test_passes(tiny_cnn) -> None:
    explainer = _make(tiny_cnn, 11)
    tiny_cnn.passes.forward = tiny_cnn.passes.backward = 0
    explainer(*batch(tiny_cnn))
    assert (tiny_cnn.passes.forward, tiny_cnn.passes.backward) == (22, 22)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps: 0 should be greater than or equal to 1"),
        ({"steps": 1001}, "steps: 1001 should be less than or equal to 1000"),
        ({"steps": 2.5}, "steps: 2.5 should be a valid integer"),
        ({"step": 5}, "step: no option of integrated_gradients; did you mean 'steps'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message, tiny_cnn) -> None:
    with pytest.raises(TTameError, match=message):
        make_explainer("integrated_gradients", tiny_cnn, options)
