from __future__ import annotations

import pytest
import torch
from torch import nn

from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.data.transforms import Preprocessing
from ttame.metrics.average_drop import drop, gain, increase
from ttame.params.evaluation import CurveSettings, MetricSettings, RoadSettings
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

from ..conftest import IMAGENET


def test_golden_confidences(golden) -> None:
    arrays = golden("ad_ic")
    clean, masked = arrays["conf.original"].double(), arrays["conf.masked"].double()
    assert 100 * drop(clean, masked).mean().item() == pytest.approx(arrays["AD"].item(), rel=1e-6)
    assert 100 * increase(clean, masked).double().mean().item() == pytest.approx(arrays["IC"].item(), rel=1e-6)


def test_gain_in_closed_form() -> None:
    """Of 0.5, 0.75 brings half of what is missing; a fall brings none, and of a probability of 1 none is missing."""
    clean = torch.tensor([0.5, 0.2, 0.8, 1.0, 1.0, 0.0], dtype=torch.float64)
    masked = torch.tensor([0.75, 1.0, 0.3, 1.0, 0.4, 0.25], dtype=torch.float64)
    torch.testing.assert_close(gain(clean, masked), torch.tensor([0.5, 1, 0, 0, 0, 0.25], dtype=torch.float64))
    nearly = torch.tensor([1 - 1e-12], dtype=torch.float64)
    assert gain(nearly, torch.ones(1, dtype=torch.float64)).item() == pytest.approx(1)


@pytest.mark.parametrize("case", ["normalizedF", "normalizedT"])
def test_golden_end_to_end(golden, case) -> None:
    """From raw map and image to AD and IC through the whole scoring of a batch."""
    arrays = golden("ad_ic")
    model = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, 5))
    mean, std = IMAGENET if case == "normalizedT" else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    backbone = Backbone("golden", model, Preprocessing((56, 56), 56, "bilinear", mean, std), ["0"], "0").double()
    model.load_state_dict({f"2.{name}": arrays[f"e2e.fc.{name}"] for name in ("weight", "bias")})
    images = arrays["img01"].double()
    if case == "normalizedT":
        images = backbone.unnormalise(arrays["img_norm"].double())
    batch = EvaluationBatch(0, images, [Sample(str(index)) for index in range(3)])
    targets = backbone(backbone.normalise(images)).argmax(1)
    assert torch.equal(targets, arrays[f"e2e.{case}.label"])
    settings = MetricSettings(
        shares=[100, 50, 15],
        road=RoadSettings(shares=[10]),
        insertion_deletion=CurveSettings(steps=2, blur=0.05),
        coherency=False,
    )
    maps = Maps(
        names=["0", "1", "2"],
        maps=arrays["c"][:, 0].double(),
        targets=targets,
        forward_passes=1.0,
        backward_passes=0.0,
        preprocessing=backbone.preprocessing,
    )
    scores = score_batch(backbone, batch, maps, settings)
    torch.testing.assert_close(scores["probability"], arrays[f"e2e.{case}.conf"], rtol=1e-6, atol=0)
    for index, share in enumerate((100, 50, 15)):
        masked = scores[f"probability_{share}"]
        torch.testing.assert_close(masked, arrays[f"e2e.{case}.masked_conf"][index], rtol=1e-6, atol=0)
        assert 100 * drop(scores["probability"], masked).mean().item() == pytest.approx(
            arrays[f"e2e.{case}.AD"][index].item(), rel=1e-6
        )
        assert 100 * increase(scores["probability"], masked).double().mean().item() == pytest.approx(
            arrays[f"e2e.{case}.IC"][index].item(), rel=1e-6
        )


def test_drop_by_a_plain_loop() -> None:
    torch.manual_seed(0)
    clean, masked = torch.rand(50).double(), torch.rand(50).double()
    total, raised = 0.0, 0
    for p, q in zip(clean.tolist(), masked.tolist(), strict=True):
        total += max(0.0, p - q) / p
        raised += q > p
    assert 100 * drop(clean, masked).mean().item() == pytest.approx(100 * total / 50)
    assert 100 * increase(clean, masked).double().mean().item() == pytest.approx(100 * raised / 50)


def test_probability_of_zero_drops_by_nothing() -> None:
    assert drop(torch.tensor([0.0, 0.5]), torch.tensor([0.0, 0.0])).tolist() == [0.0, 1.0]


def test_equal_probability_is_no_increase() -> None:
    assert increase(torch.tensor([0.5]), torch.tensor([0.5])).tolist() == [False]
