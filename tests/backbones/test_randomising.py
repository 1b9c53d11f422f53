from __future__ import annotations

import pytest
import torch

from ttame.backbones.randomising import layers_from_output, randomise, restored


def test_the_head_comes_first_and_the_stem_last(tiny_cnn, tiny_vit) -> None:
    layers = layers_from_output(tiny_cnn.model)
    assert layers[0] is tiny_cnn.model.head
    assert layers[-1] is tiny_cnn.model.stem[0]
    layers = layers_from_output(tiny_vit.model)
    assert layers[0] is tiny_vit.model.head
    assert layers[-1] is tiny_vit.model, "the class token and the position embedding"


def test_kernels_are_drawn_at_their_scale_and_vectors_lose_their_places(tiny_cnn) -> None:
    layer = tiny_cnn.model.stage2[0]
    kernel, bias = layer.weight.clone(), layer.bias.clone()
    others = tiny_cnn.model.head.weight.clone()
    randomise([layer], seed=1)
    assert abs(torch.corrcoef(torch.stack([kernel.flatten(), layer.weight.flatten()]))[0, 1]) < 0.1
    assert layer.weight.square().mean().item() == pytest.approx(kernel.square().mean().item(), rel=0.1)
    assert not torch.equal(layer.bias, bias)
    assert torch.equal(layer.bias.sort().values, bias.sort().values)
    assert torch.equal(tiny_cnn.model.head.weight, others)


def test_the_seed_decides(tiny_cnn) -> None:
    layers = layers_from_output(tiny_cnn.model)
    found = []
    for seed in (1, 1, 2):
        with restored(tiny_cnn.model):
            randomise(layers, seed)
            found.append(tiny_cnn.model.head.weight.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_everything_is_restored_also_after_an_error(tiny_cnn) -> None:
    images = torch.rand(2, 3, 32, 32)
    before = tiny_cnn(images)

    def fail() -> None:
        with restored(tiny_cnn.model):
            randomise(layers_from_output(tiny_cnn.model), 1)
            assert not torch.allclose(tiny_cnn(images), before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(tiny_cnn(images), before)
