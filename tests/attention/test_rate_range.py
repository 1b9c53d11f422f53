from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from ttame.attention.checkpoint import make_network
from ttame.attention.rate_range import rate_range_test, suggested_maximum
from ttame.attention.training import AttentionTraining
from ttame.errors import TTameError

from .recipe import LOSS, RECIPE


def _found(backbone, highest: float) -> pd.DataFrame:
    torch.manual_seed(1)
    network = make_network(backbone, "ttame", backbone.layers)
    training = AttentionTraining(backbone, network, backbone.layers, LOSS, RECIPE, 1.0, 100)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return rate_range_test(training, itertools.repeat(images), 1e-5, highest, 60)


def test_rates_rise_geometrically_and_the_mean_is_unbiased(tiny_cnn) -> None:
    found = _found(tiny_cnn, 1.0)
    steps = np.diff(np.log(found["learning_rate"]))
    assert found["learning_rate"].iloc[0] == 1e-5
    np.testing.assert_allclose(steps, steps[0])
    expected = found["loss"].ewm(alpha=0.1, adjust=True).mean()
    np.testing.assert_allclose(found["smoothed_loss"], expected, rtol=1e-9)
    best = found["learning_rate"][found["smoothed_loss"] == found["smoothed_loss"].min()].item()
    assert suggested_maximum(found) == pytest.approx(best / 10)


def test_it_ends_where_the_loss_explodes(tiny_cnn) -> None:
    found = _found(tiny_cnn, 1e12)
    assert len(found) < 60
    assert suggested_maximum(found) < found["learning_rate"].iloc[-1] / 10


def test_loss_that_never_falls() -> None:
    rising = pd.DataFrame({"learning_rate": [1.0, 2.0], "loss": [1.0, 2.0], "smoothed_loss": [1.0, 1.5]})
    with pytest.raises(TTameError, match="does not fall at any rate"):
        suggested_maximum(rising)
