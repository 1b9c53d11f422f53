"""SmoothGrad against package captum, and where the mean of the gradients is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.input_gradient import input_gradient
from ttame.explainers.smoothgrad import draw_noise

from .closed_forms import SIZE, batch, power, rows

OPTIONS = {"draws": 20, "noise": 0.15, "seed": 3}


def _range(image: Tensor) -> float:
    return float(image.max() - image.min())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["tiny_cnn", "tiny_vit"])
def test_against_captum(name, dtype, request, monkeypatch) -> None:
    """The package takes a standard deviation for a batch, so it gets an image at a time, and our draws for its own."""
    captum = pytest.importorskip("captum.attr")
    backbone = request.getfixturevalue(name).to(dtype)
    images, targets = batch(backbone)
    images[1] *= 0.3
    noise = draw_noise(0, 20, tuple(images.shape[1:]), 3).to(dtype)
    monkeypatch.setattr(torch, "normal", lambda mean, deviation: mean + deviation * noise)
    expected = [
        captum.NoiseTunnel(captum.Saliency(backbone)).attribute(
            image[None], nt_type="smoothgrad", nt_samples=20, stdevs=0.15 * _range(image), target=target, abs=False
        )
        for image, target in zip(images, targets.tolist(), strict=True)
    ]
    maps = make_explainer("smoothgrad", backbone, OPTIONS)(images, targets)
    assert maps.dtype == dtype
    for found, theirs in zip(maps, expected, strict=True):
        wanted = theirs[0].abs().sum(0)
        torch.testing.assert_close(found / wanted.max(), wanted / wanted.max(), atol=1e-5, rtol=0)


def test_of_a_linear_classifier_it_is_the_absolute_weight() -> None:
    backbone = power(1)
    images, targets = batch(backbone)
    maps = make_explainer("smoothgrad", backbone, OPTIONS)(images, targets)
    torch.testing.assert_close(maps, rows(backbone, targets).abs().sum(1), atol=1e-12, rtol=1e-12)


def test_of_a_square_it_is_the_gradient_at_the_mean_of_the_copies() -> None:
    backbone = power(2)
    images, targets = batch(backbone)
    shift = draw_noise(0, 20, (3, *SIZE), 3).mean(0)
    copies = torch.stack([image + 0.15 * _range(image) * shift for image in images])
    expected = input_gradient(backbone, copies, targets).abs().sum(1)
    maps = make_explainer("smoothgrad", backbone, OPTIONS)(images, targets)
    torch.testing.assert_close(maps, expected, atol=1e-12, rtol=1e-10)
    assert not torch.allclose(maps, input_gradient(backbone, images, targets).abs().sum(1), rtol=1e-3)


def test_without_noise_it_is_the_plain_gradient(tiny_cnn) -> None:
    images, targets = batch(tiny_cnn)
    plain = make_explainer("smoothgrad", tiny_cnn, {"draws": 1, "noise": 0.0})(images, targets)
    torch.testing.assert_close(plain, input_gradient(tiny_cnn, images, targets).abs().sum(1))
    images = torch.full_like(images, 0.4)  # has no range, and so no noise
    maps = make_explainer("smoothgrad", tiny_cnn, OPTIONS)(images, targets)
    torch.testing.assert_close(maps, input_gradient(tiny_cnn, images, targets).abs().sum(1))


def test_noise_is_standard_normal_and_the_same_in_any_slice() -> None:
    noise = draw_noise(0, 40, (3, 20, 30), 1)
    count = noise.numel()
    assert float(noise.mean()) == pytest.approx(0, abs=4 / count**0.5)
    assert float(noise.var()) == pytest.approx(1, abs=4 * (2 / count) ** 0.5)
    assert torch.equal(draw_noise(7, 12, (3, 20, 30), 1), noise[7:12])
    correlation = torch.corrcoef(torch.cat([noise[:2].flatten(1), draw_noise(0, 2, (3, 20, 30), 2).flatten(1)]))
    assert float((correlation - torch.eye(4)).abs().max()) < 0.1, "draws and seeds are independent"


def test_all_images_see_the_same_noise(tiny_cnn) -> None:
    images, targets = batch(tiny_cnn)
    explainer = make_explainer("smoothgrad", tiny_cnn, OPTIONS)
    together = explainer(images, targets)
    assert torch.equal(explainer(images[1:], targets[1:])[0], together[1])
    other = make_explainer("smoothgrad", tiny_cnn, OPTIONS | {"seed": 4})(images, targets)
    assert not torch.allclose(other, together, rtol=1e-2)


def test_passes(tiny_cnn) -> None:
    explainer = make_explainer("smoothgrad", tiny_cnn, OPTIONS)
    tiny_cnn.passes.forward = tiny_cnn.passes.backward = 0
    explainer(*batch(tiny_cnn))
    assert (tiny_cnn.passes.forward, tiny_cnn.passes.backward) == (40, 40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws: 0 should be greater than or equal to 1"),
        ({"noise": -0.1}, "noise: -0.1 should be greater than or equal to 0"),
        ({"noise": 15}, "noise: 15 should be less than or equal to 1"),
        ({"seed": -1}, "seed: -1 should be greater than or equal to 0"),
        ({"sigma": 0.1}, "sigma: no option of smoothgrad; expected one of largest, draws, noise, seed"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message, tiny_cnn) -> None:
    with pytest.raises(TTameError, match=message):
        make_explainer("smoothgrad", tiny_cnn, options)
