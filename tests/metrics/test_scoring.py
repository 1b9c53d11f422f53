"""That the classifier is asked no more than some columns of the tables need, and says of them what it says of all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.metrics.scoring import Asked
from ttame.params.evaluation import CurveSettings, MetricSettings, RoadSettings
from ttame.params.settings import ModelSettings
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

SETTINGS = MetricSettings(
    shares=[100, 15],
    road=RoadSettings(shares=[10, 50, 90]),
    insertion_deletion=CurveSettings(steps=4, blur=0.05),
    coherency=False,
)
ITSELF = 1


@pytest.mark.parametrize(
    ("keys", "passes", "columns"),
    [
        ([], 0, set()),
        (["mass_inside"], 0, set()),
        (["ic_15", "ag_15"], 1, {"probability_15"}),
        (["road_lerf"], 3, {"road_lerf_10", "road_lerf_50", "road_lerf_90"}),
        (["insertion"], 4, {"insertion", *(f"insertion_{step}" for step in range(5))}),
        (["ad_100", "deletion"], 5, {"probability_100", "deletion", *(f"deletion_{step}" for step in range(5))}),
    ],
)
def test_some_columns_cost_their_own_passes_and_are_as_among_all(
    monkeypatch, keys: list[str], passes: int, columns: set[str]
) -> None:
    backbone = load_backbone("shapes_cnn", ModelSettings(model="shapes_cnn"))
    generator = torch.Generator().manual_seed(1)
    names = [f"{number}.png" for number in range(3)]
    batch = EvaluationBatch(0, torch.rand(3, 3, 64, 64, generator=generator), [Sample(name) for name in names])
    maps = Maps(
        names=names,
        maps=torch.rand(3, 8, 8, generator=generator),
        targets=torch.tensor([0, 3, 5]),
        forward_passes=1.0,
        backward_passes=0.0,
        preprocessing=backbone.preprocessing,
    )
    with torch.no_grad():
        whole = score_batch(backbone, batch, maps, SETTINGS)
        seen: list[int] = []
        forward = Backbone.forward

        def count(self: Backbone, images: Tensor) -> Tensor:
            seen.append(len(images))
            return forward(self, images)

        monkeypatch.setattr(Backbone, "forward", count)
        found = score_batch(backbone, batch, maps, SETTINGS, Asked.for_columns(keys, SETTINGS))
    assert sum(seen) == 3 * (ITSELF + passes)
    assert {*found} == {"probability", "complexity"} | columns
    for name, values in found.items():
        torch.testing.assert_close(values, whole[name], rtol=1e-5, atol=1e-6)
