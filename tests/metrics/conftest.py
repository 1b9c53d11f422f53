from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.explainers.explainer import make_explainer
from ttame.metrics.masking import saliency_map


@pytest.fixture(scope="session")
def lite0_maps(lite0: Backbone, two_photographs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Two photographs and their maps, (2, 224, 224) in [0, 1]; T-TAME's network is as it is before training."""
    targets = lite0(two_photographs).argmax(1)
    options: dict[str, dict[str, Any]] = {
        "gradcam": {},
        "random": {"cells": 224, "seed": 1},
        "rise": {"masks": 64, "cells": 7, "keep": 0.5, "scores": "softmax", "seed": 1},
    }
    samples = [Sample(name) for name in ("one.jpg", "other.jpg")]
    maps = {
        name: make_explainer(name, lite0, given)(two_photographs, targets, samples).detach()
        for name, given in options.items()
    }
    torch.manual_seed(0)
    layers = lite0.layers
    _, features = lite0.features(two_photographs, layers)
    network = AttentionMechanism([values.shape[1] for values in features.values()], 1000).eval()
    with torch.no_grad():
        maps["ttame"] = network(list(features.values()), targets[:, None])[:, 0]
    size = lite0.preprocessing.input_size
    return two_photographs, {name: saliency_map(of, size) for name, of in maps.items()}
