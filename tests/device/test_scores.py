"""Scores, fills and measures, as if on a GPU."""

from __future__ import annotations

import torch

from benchmarks.photographs import settings_of
from tests.device.accelerator import DEVICE
from ttame.data.blurring import blurred
from ttame.measures.options import SingleDeletionOptions
from ttame.measures.single_deletion import cell_drops
from ttame.metrics import imputation, multigrid
from ttame.metrics.masking import saliency_map
from ttame.params.evaluation import CurveSettings
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

METRICS = settings_of("shapes").metrics.model_copy(update={"insertion_deletion": CurveSettings(steps=4)})
WAITS, LAUNCHES = 45, 4500
"""Of the scores of a batch, most of them of its fills, whatever the size of the batch."""


def test_scores_are_those_of_the_cpu(pair, images, samples, asked, monkeypatch) -> None:
    # What a GPU runs, here too: the compiled solver of CPUs stops elsewhere within its tolerance.
    monkeypatch.setattr(imputation, "_solve", multigrid.solve)
    torch.manual_seed(0)
    raw, names = torch.rand(len(images), 7, 7), [sample.name for sample in samples]
    found = []
    for backbone in pair:
        device = next(backbone.parameters()).device
        maps = Maps(
            names=names,
            maps=raw,
            targets=torch.tensor([1, 7]),
            maps_of_masked=raw.flip(0),
            forward_passes=1,
            backward_passes=0,
            preprocessing=backbone.preprocessing,
        )
        batch, given = EvaluationBatch(0, images.to(device), samples), maps.of(slice(None), device)
        with torch.no_grad():
            found.append(score_batch(backbone, batch, given, METRICS))
    assert found[0].keys() == found[1].keys()
    for column, values in found[0].items():
        torch.testing.assert_close(found[1][column], values, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        work = asked(lambda: score_batch(backbone, batch, given, METRICS))
    assert work.waits <= WAITS
    assert work.launches <= LAUNCHES


def test_drops_are_those_of_the_cpu(pair, images, asked) -> None:
    drops = []
    with torch.no_grad():
        for backbone in pair:
            clean = backbone.normalise(images.to(next(backbone.parameters()).device))
            drops.append(cell_drops(backbone, clean, SingleDeletionOptions(fill="blur")))
        work = asked(lambda: cell_drops(backbone, clean, SingleDeletionOptions()))
    torch.testing.assert_close(drops[1].cpu(), drops[0], atol=1e-5, rtol=1e-4)
    assert work.waits == 0


def test_maps_are_normalised_and_enlarged_there(images) -> None:
    raw = images.mean(1)
    assert torch.equal(saliency_map(raw.to(DEVICE), (32, 48)).cpu(), saliency_map(raw, (32, 48)))
    assert torch.equal(blurred(images.to(DEVICE), 0.1).cpu(), blurred(images, 0.1))
