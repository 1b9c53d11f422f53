"""That the classifier is asked no more than some columns of the tables need, and says of them what it says of all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ttame.backbones.loading import load_backbone
from ttame.data.sample import Sample
from ttame.data.shapes import render
from ttame.metrics.asked import Asked
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
        (["road_morf"], 3, {"road_morf_10", "road_morf_50", "road_morf_90"}),
        (["road_lerf"], 3, {"road_lerf_10", "road_lerf_50", "road_lerf_90"}),
        (["insertion"], 4, {"insertion", *(f"insertion_{step}" for step in range(5))}),
        (["ad_100", "deletion"], 5, {"probability_100", "deletion", *(f"deletion_{step}" for step in range(5))}),
    ],
)
def test_some_columns_cost_their_own_passes_and_are_as_among_all(
    forward_passes: list[int], keys: list[str], passes: int, columns: set[str]
) -> None:
    backbone = load_backbone("shapes_cnn", ModelSettings(model="shapes_cnn"))
    shown = [render(seed=9, index=index) for index in range(4)]
    names = [f"{index}.png" for index in range(len(shown))]
    pixels = torch.from_numpy(np.stack([image.pixels for image in shown])).permute(0, 3, 1, 2) / 255
    batch = EvaluationBatch(0, pixels, [Sample(name) for name in names])
    maps = Maps(
        names=names,
        maps=torch.from_numpy(np.stack([image.object_mask for image in shown])).float() + torch.linspace(0, 0.5, 64),
        targets=torch.tensor([image.label for image in shown]),
        forward_passes=1.0,
        backward_passes=0.0,
        preprocessing=backbone.preprocessing,
    )
    with torch.no_grad():
        whole = score_batch(backbone, batch, maps, SETTINGS)
        assert not torch.equal(whole["road_morf_10"], whole["road_lerf_10"]), "so the orders cannot be mistaken"
        forward_passes.clear()
        found = score_batch(backbone, batch, maps, SETTINGS, Asked.for_columns(keys, SETTINGS))
    assert sum(forward_passes) == len(shown) * (ITSELF + passes)
    assert {*found} == {"probability", "complexity"} | columns
    for name, values in found.items():
        torch.testing.assert_close(values, whole[name], rtol=1e-5, atol=1e-6)
