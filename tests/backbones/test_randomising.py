from __future__ import annotations

import pytest
import torch

from ttame.backbones.randomising import layers_from_output, restored, shuffle_weights


def test_the_head_comes_first_and_the_stem_last(tiny_cnn, tiny_vit) -> None:
    layers = layers_from_output(tiny_cnn.model)
    assert layers[0] is tiny_cnn.model.head
    assert layers[-1] is tiny_cnn.model.stem[0]
    layers = layers_from_output(tiny_vit.model)
    assert layers[0] is tiny_vit.model.head
    assert layers[-1] is tiny_vit.model, "the class token and the position embedding"


def test_values_stay_and_places_change(tiny_cnn) -> None:
    layer = tiny_cnn.model.stage2[0]
    before = layer.weight.clone()
    others = tiny_cnn.model.head.weight.clone()
    shuffle_weights([layer], seed=1)
    assert not torch.equal(layer.weight, before)
    assert torch.equal(layer.weight.flatten().sort().values, before.flatten().sort().values)
    assert torch.equal(tiny_cnn.model.head.weight, others)


def test_the_seed_decides(tiny_cnn) -> None:
    layers = layers_from_output(tiny_cnn.model)
    found = []
    for seed in (1, 1, 2):
        with restored(tiny_cnn.model):
            shuffle_weights(layers, seed)
            found.append(tiny_cnn.model.head.weight.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_everything_is_restored_also_after_an_error(tiny_cnn) -> None:
    images = torch.rand(2, 3, 32, 32)
    before = tiny_cnn(images)

    def fail() -> None:
        with restored(tiny_cnn.model):
            shuffle_weights(layers_from_output(tiny_cnn.model), 1)
            assert not torch.allclose(tiny_cnn(images), before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(tiny_cnn(images), before)
