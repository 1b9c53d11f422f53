from __future__ import annotations

import pytest
import torch

from ttame.attention.complement import complement_loss
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining

from .recipe import LOSS, RECIPE


def test_term_is_minus_the_logarithm_of_the_other_classes_probability() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 4, 2, 2])
    found = complement_loss(logits, labels)
    probability = logits.softmax(1)[torch.arange(4), labels]
    torch.testing.assert_close(found, -(1 - probability).log().mean(), atol=1e-12, rtol=0)
    assert torch.autograd.gradcheck(lambda given: complement_loss(given, labels), logits)
    certain = torch.tensor([[80.0, 0.0], [-80.0, 0.0]])
    terms = [complement_loss(row[None], torch.tensor([0])).item() for row in certain]
    assert terms == pytest.approx([80.0, 0.0]), "finite where 1 - p is 0"


def test_it_sees_what_the_mask_takes_away(tiny_cnn) -> None:
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    losses = []
    for weight in (0.0, 0.7):
        torch.manual_seed(1)
        network = AttentionMechanism((8, 12, 16), 5).train()
        loss = LOSS.model_copy(update={"complement": weight})
        training = AttentionTraining(tiny_cnn, network, tiny_cnn.layers, loss, RECIPE, 0.05, 10)
        tiny_cnn.passes.forward = 0
        losses.append(training.evaluate(images).loss)
        assert tiny_cnn.passes.forward == (12 if weight else 8)
    torch.manual_seed(1)
    network = AttentionMechanism((8, 12, 16), 5).train()
    logits, features = tiny_cnn.features(tiny_cnn.normalise(images), tiny_cnn.layers)
    truths = logits.argmax(1)
    masks = network(list(features.values()), truths[:, None]).sigmoid()
    rest = torch.nn.functional.interpolate(1 - masks, (32, 32), mode="bilinear", align_corners=False)
    expected = 0.7 * complement_loss(tiny_cnn(tiny_cnn.normalise(rest * images)), truths)
    torch.testing.assert_close(losses[1].total - losses[0].total, expected, atol=1e-5, rtol=1e-5)
    assert losses[0][1:] == losses[1][1:], "the other terms are as they were"
