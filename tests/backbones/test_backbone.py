from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

from ..conftest import IMAGENET, TinyCNN

PREPROCESSING = Preprocessing((32, 32), 32, "bilinear", *IMAGENET)


def test_stays_frozen_and_in_eval_mode(tiny_cnn: Backbone) -> None:
    tiny_cnn.train()
    assert not any(module.training for module in tiny_cnn.modules())
    assert not any(parameter.requires_grad for parameter in tiny_cnn.parameters())


def test_features_are_not_changed_by_what_comes_after(tiny_cnn: Backbone) -> None:
    """The model adds 1 to stage1 in place and then applies an in-place ReLU."""
    images = torch.randn(2, 3, 32, 32)
    logits, features = tiny_cnn.features(images, ["stage1", "stem.1"])
    model = tiny_cnn.model
    assert isinstance(model, TinyCNN)
    torch.testing.assert_close(features["stem.1"], model.stem[1](model.stem[0](images)))
    torch.testing.assert_close(features["stage1"], model.stage1(model.stem(images)))
    torch.testing.assert_close(logits, tiny_cnn(images))


def test_gradient_is_that_of_a_plain_graph(tiny_cnn: Backbone) -> None:
    images, targets = torch.randn(3, 3, 32, 32), torch.tensor([0, 4, 2])
    activation, gradient = tiny_cnn.activation_and_gradient(images, targets, "stage2")
    model = tiny_cnn.model
    assert isinstance(model, TinyCNN)
    leaf = activation.clone().requires_grad_()
    logits = model.head(leaf.mean((2, 3)))
    (expected,) = torch.autograd.grad(logits[torch.arange(3), targets].sum(), leaf)
    torch.testing.assert_close(gradient, expected)


def test_normalise_and_back(tiny_cnn: Backbone) -> None:
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(tiny_cnn.unnormalise(tiny_cnn.normalise(images)), images)
    expected = (images[:, 0] - 0.485) / 0.229
    torch.testing.assert_close(tiny_cnn.normalise(images)[:, 0], expected)


def test_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(TTameError, match=r"no layer called 'stage\.1'; did you mean .*'stage1"):
        Backbone("x", TinyCNN(), PREPROCESSING, layers=["stage.1"])


def test_hooks_are_gone_even_after_an_error(tiny_cnn: Backbone) -> None:
    with pytest.raises(RuntimeError):
        tiny_cnn.features(torch.randn(2, 5, 32, 32), ["stage1"])
    assert all(not module._forward_hooks for module in tiny_cnn.model.modules())


def test_model_without_logits_is_refused() -> None:
    class Pair(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images, images

    with pytest.raises(TTameError, match="returns a tuple, not logits"):
        Backbone("pair", Pair(), PREPROCESSING)
