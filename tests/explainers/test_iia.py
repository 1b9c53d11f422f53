from __future__ import annotations

import pytest
import torch

from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.iia_cnn import integrated_channels
from ttame.metrics.masking import normalise_map

from ..backbones.attention.families import FAMILIES, make
from ..backbones.attention.oracle import attention_weights
from .attention_by_hand import with_gradients
from .golden_networks import golden_vit, iia_cnn


def test_golden_cnn(golden) -> None:
    arrays = golden("iia_cnn")
    backbone = iia_cnn(arrays)
    raw = integrated_channels(backbone, arrays["images"], arrays["labels"], 10, double=False)
    for index in range(2):
        torch.testing.assert_close(raw[index], arrays[f"{index}.raw"], atol=1e-6, rtol=0)
        torch.testing.assert_close(raw[index].sum(0), arrays[f"{index}.raw_channel_sum"], atol=5e-6, rtol=0)
    exact = integrated_channels(backbone.double(), arrays["images"].double(), arrays["labels"], 10, double=False)
    for index in range(2):
        torch.testing.assert_close(exact[index], arrays[f"{index}.raw_f64"], atol=1e-10, rtol=0)


def test_golden_cnn_resized(golden) -> None:
    arrays = golden("iia_cnn")
    backbone = iia_cnn(arrays)
    raw = integrated_channels(backbone, arrays["images"], arrays["labels"], 10, double=False)
    resize = torch.nn.functional.interpolate
    maps = normalise_map(resize(raw.sum(1, keepdim=True), (224, 224), mode="bicubic", align_corners=False)[:, 0])
    for index in range(2):
        torch.testing.assert_close(maps[index, ::4, ::4], arrays[f"{index}.resized_224_stride4"], atol=5e-6, rtol=0)
        torch.testing.assert_close(maps[index, 100], arrays[f"{index}.resized_224_row100"], atol=5e-6, rtol=0)
    explained = make_explainer("iia", backbone, {"steps": 10})(arrays["images"], arrays["labels"])
    small = resize(raw.sum(1, keepdim=True), (32, 32), mode="bicubic", align_corners=False)[:, 0]
    torch.testing.assert_close(explained, small)


def test_golden_vit(golden) -> None:
    arrays = golden("iia_vit")
    backbone = golden_vit(arrays)
    targets = torch.stack([arrays[f"{index}.class_index"] for index in range(3)])
    maps = make_explainer("iia", backbone, {"steps": 5})(arrays["images"], targets)
    exact = make_explainer("iia", backbone.double(), {"steps": 5})(arrays["images"].double(), targets)
    for index in range(3):
        torch.testing.assert_close(maps[index], arrays[f"{index}.iia"], atol=1e-6, rtol=0)
        torch.testing.assert_close(exact[index], arrays[f"{index}.iia_f64"], atol=1e-10, rtol=0)


def test_transformer_that_classifies_a_mean_follows_the_definition() -> None:
    """BEiT by a plain loop over images and shares of the last attention."""
    torch.manual_seed(0)
    backbone = make(FAMILIES["beit"]()).double()
    images, targets, steps = torch.randn(2, 3, 32, 32).double(), torch.tensor([1, 4]), 2
    layers = [torch.zeros(2, 17, 17).double() for _ in range(3)]
    for k in range(steps + 1):
        last = attention_weights(backbone.model, images * k / steps)[2]
        for t in range(steps + 1):
            found = with_gradients(backbone.model, images * k / steps, targets, last * t / steps)
            layers = [layer + part / (steps + 1) ** 2 for layer, part in zip(layers, found, strict=True)]
    product = torch.eye(17).double()
    for layer in layers:
        factor = layer + torch.eye(17).double()
        product = factor / factor.sum(-1, keepdim=True) @ product
    maps = make_explainer("iia", backbone, {"steps": steps})(images, targets)
    torch.testing.assert_close(maps.flatten(1), product[:, 1:, 1:].mean(1))


def test_double_integral_of_a_linear_tail_is_the_single_one(tiny_cnn) -> None:
    """Behind `stage2` come a mean and a linear layer, so the gradient is the same at every activation."""
    images, targets = torch.randn(2, 3, 32, 32), torch.tensor([0, 3])
    single, double = (integrated_channels(tiny_cnn, images, targets, 4, double=flag) for flag in (False, True))
    assert tiny_cnn.target_layer == "stage2"
    torch.testing.assert_close(single, double, atol=1e-6, rtol=1e-5)


def test_double_integral_follows_its_definition(tiny_cnn) -> None:
    """Before a ReLU the gradient depends on the activation; a slow loop over k and t computes the mean of them."""
    tiny_cnn.target_layer = "stage2.0"
    images, targets, steps = torch.randn(2, 3, 32, 32), torch.tensor([0, 3]), 3
    model = tiny_cnn.model
    expected = 0.0
    for k in range(steps + 1):
        with torch.no_grad():
            maps = model.stage1(model.stem(images * k / steps)) + 1.0
            activation = model.stage2[0](maps.relu())
        for t in range(steps + 1):
            leaf = (activation * t / steps).requires_grad_()
            score = model.head(leaf.relu().mean((2, 3))).gather(1, targets[:, None]).sum()
            expected = expected + torch.autograd.grad(score, leaf)[0] * activation.relu() / (steps + 1)
    found = integrated_channels(tiny_cnn, images, targets, steps, double=True)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(found, integrated_channels(tiny_cnn, images, targets, steps, double=False))


@pytest.mark.parametrize(("name", "passes"), [("tiny_cnn", (4, 4)), ("tiny_vit", (4 * 5, 16))])
def test_passes(name, passes, request) -> None:
    backbone = request.getfixturevalue(name)
    explainer = make_explainer("iia", backbone, {"steps": 3})
    backbone.passes.forward = backbone.passes.backward = 0
    explainer(torch.randn(1, 3, *backbone.preprocessing.input_size), torch.tensor([2]))
    assert (backbone.passes.forward, backbone.passes.backward) == passes
