from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import scipy.stats
import torch

import ttame
from ttame.data.sample import Sample
from ttame.params.evaluation import CurveSettings, MetricSettings, RoadSettings
from ttame.report.aggregate import qualities
from ttame.report.columns import quality_columns, road_columns
from ttame.stages.evaluation_images import EvaluationBatch
from ttame.stages.scores import score_batch
from ttame.store.maps_file import Maps

from .conftest import MEAN, SIDE, STD, SmallCNN, refused, small_cnn, wrapped

SETTINGS = MetricSettings(
    shares=[100, 40], road=RoadSettings(shares=[20, 60]), insertion_deletion=CurveSettings(steps=3)
)
MEASURES: dict[str, dict[str, Any]] = {
    "average_drop": {"shares": (100, 40)},
    "road": {"shares": [20, 60]},
    "insertion_deletion": {"steps": 3},
    "complexity": {},
    "adcc": {},
}


def test_numbers_are_those_of_the_scores_stage(module, dtype) -> None:
    model = wrapped(module)
    pixels = torch.rand(5, 3, SIDE, SIDE, dtype=dtype)
    clean = model.normalise(pixels)
    explainer = ttame.Explainer("gradcam", model)
    result = explainer(clean, targets=[0, 1, 2, 3, 4])
    again = explainer(model.normalise(result.saliency[:, None] * pixels), targets=result.targets).raw
    found = ttame.evaluate(model, clean, result, MEASURES, explainer=explainer, batch_size=2)
    names = [str(number) for number in range(5)]
    maps = Maps(
        names=names,
        maps=result.raw,
        targets=result.targets,
        maps_of_masked=again,
        forward_passes=1,
        backward_passes=1,
        preprocessing=model.preprocessing,
    )
    scores = score_batch(model, EvaluationBatch(0, pixels, [Sample(name) for name in names]), maps, SETTINGS)
    table = pd.DataFrame({name: values.numpy() for name, values in scores.items()}).assign(name=names)
    pd.testing.assert_frame_equal(found, qualities(table, SETTINGS), rtol=1e-4, atol=1e-3)
    assert found["road_morf"].nunique() > 1, "a classifier that does not answer to its input would prove nothing"


def test_columns_are_those_of_the_tables(model) -> None:
    images = torch.randn(2, 3, SIDE, SIDE)
    explainer = ttame.Explainer("gradcam", model)
    found = ttame.evaluate(model, images, explainer(images), explainer=explainer)
    settings = MetricSettings()
    known = [column.key for column in [*quality_columns(settings), *road_columns(settings)]]
    assert set(found.columns) <= {*known, "coherency", "complexity"}
    assert {"ad_100", "ic_50", "ag_15", "road_morf", "road_lerf_90", "deletion", "insertion", "adcc"} <= set(found)
    assert {"single_deletion", "complexity"} <= set(found)


def test_single_deletion_by_a_plain_loop(module, dtype) -> None:
    model = wrapped(module)
    images = torch.randn(2, 3, SIDE, SIDE, dtype=dtype)
    result = ttame.Explainer("rise", model, masks=30)(images, targets=[3, 1])
    found = ttame.evaluate(model, images, result, {"single_deletion": {"cells": 4}})["single_deletion"]
    module.eval()
    for row, target in enumerate((3, 1)):
        drops, sums = [], []
        for top in range(0, SIDE, 8):
            for left in range(0, SIDE, 8):
                deleted = images[[row]].clone()
                deleted[..., top : top + 8, left : left + 8] = 0
                drops.append((module(images[[row]]) - module(deleted))[0, target].item())
                sums.append(result.saliency[row, top : top + 8, left : left + 8].sum().item())
        assert found.iloc[row] == pytest.approx(scipy.stats.spearmanr(sums, drops)[0], abs=1e-4)


def test_what_a_map_of_one_corner_keeps_by_hand(module, dtype) -> None:
    """A map of another package's: one on the upper half, so that AD is of the image whose lower half is black."""
    model = wrapped(module)
    pixels = torch.rand(2, 3, SIDE, SIDE, dtype=dtype)
    maps = torch.zeros(2, SIDE, SIDE)
    maps[:, : SIDE // 2] = 7.0
    found = ttame.evaluate(model, model.normalise(pixels), maps, ["average_drop", "complexity"])
    of_array = ttame.evaluate(model, model.normalise(pixels), maps.numpy(), ["average_drop", "complexity"])
    pd.testing.assert_frame_equal(of_array, found)
    half = pixels * (torch.arange(SIDE) < SIDE // 2)[:, None]
    mean, std = (torch.tensor(values, dtype=dtype).view(3, 1, 1) for values in (MEAN, STD))
    before, after = (module.eval()((images - mean) / std).softmax(1) for images in (pixels, half))
    for row, target in enumerate(before.argmax(1)):
        p, q = before[row, target].item(), after[row, target].item()
        assert found["ad_100"].iloc[row] == pytest.approx(100 * max(0, p - q) / p, rel=1e-3, abs=1e-3)
        assert found["ic_100"].iloc[row] == 100 * (q > p)
        assert found["ag_100"].iloc[row] == pytest.approx(100 * max(0, q - p) / (1 - p), rel=1e-3, abs=1e-3)
    assert found["complexity"].tolist() == pytest.approx([50, 50])


def test_maps_that_are_a_mirrored_view_are_read(model) -> None:
    images, maps = torch.randn(2, 3, SIDE, SIDE), torch.rand(2, 8, 8).numpy()[..., ::-1]
    found, expected = (ttame.evaluate(model, images, shown, ["complexity"]) for shown in (maps, maps.copy()))
    pd.testing.assert_frame_equal(found, expected)


def test_targets_that_are_given_cost_no_pass(model) -> None:
    images, maps = torch.randn(3, 3, SIDE, SIDE), torch.rand(3, 8, 8)
    passes = []
    for targets in (None, [1, 0, 2]):
        before = model.passes.forward
        ttame.evaluate(model, images, maps, ["complexity"], targets=targets)
        passes.append(model.passes.forward - before)
    assert passes == [6, 3], "the model truths, and the probabilities of the targets"


def test_rows_are_named_and_do_not_depend_on_the_batch(folder, model) -> None:
    paths = sorted((folder / "photos").iterdir())[:5]
    result = ttame.Explainer("gradcam", model)(paths)
    whole = ttame.evaluate(model, paths, result, ["road", "average_drop"])
    assert whole.index.tolist() == [path.name for path in paths]
    few = ttame.evaluate(model, paths[3:], ttame.Explainer("gradcam", model)(paths[3:]), ["road", "average_drop"])
    pd.testing.assert_frame_equal(few, whole[3:], rtol=1e-4, atol=1e-4)


def test_a_measure_that_is_not_defined_is_left_out_unless_it_is_asked_for() -> None:
    model = ttame.wrap(small_cnn(), mean=MEAN, std=STD, input_size=30)
    images = torch.randn(1, 3, 30, 30)
    result = ttame.Explainer("center", model)(images)
    assert "single_deletion" not in ttame.evaluate(model, images, result)
    with pytest.raises(ttame.TTameError, match="measures: single_deletion is not defined on SmallCNN"):
        ttame.evaluate(model, images, result, ["single_deletion"])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"measures": ["single_deletions"]}, "measures: 'single_deletions' .*; did you mean 'single_deletion'"),
        ({"measures": "road"}, "measures: 'road'; expected names in a list"),
        ({"measures": []}, "measures: there is none"),
        ({"measures": [["road"]]}, r"measures: \[\['road'\]\]; expected names in a list"),
        (
            {"measures": {"road": {"share": [10]}}},
            r"measures\['road'\]: share: no option of road; did you mean 'shares'",
        ),
        (
            {"measures": {"road": {"shares": [0]}}},
            r"measures\['road'\]: shares\.0: 0 should be greater than or equal to 1",
        ),
        ({"measures": ["adcc"]}, "explainer: is missing; adcc asks it"),
        ({"result": torch.rand(3, 4, 4)}, "result: 3 maps for 2 images; expected those of these images"),
        ({"result": None}, "result: a NoneType; expected what an explainer returns"),
        ({"result": torch.ones(2, 4, 4).long()}, r"result: a torch\.int64 tensor \(2, 4, 4\); expected maps"),
        ({"batch_size": 0}, "batch_size: 0; expected a whole number"),
        ({"targets": 1}, "targets: the result has its own"),
    ],
)
def test_a_mistake_is_said_of_its_argument(said, message, model, folder) -> None:
    images = torch.zeros(2, 3, SIDE, SIDE)
    result = ttame.Explainer("center", model)(images)
    refused(lambda: ttame.evaluate(model, images, **({"result": result} | said)), message)


def test_the_explainer_of_other_maps_is_refused(model, folder) -> None:
    images = torch.zeros(2, 3, SIDE, SIDE)
    result, other = ttame.Explainer("center", model)(images), ttame.Explainer("gradcam", model)
    message = "explainer: gradcam, but the result is of center"
    refused(lambda: ttame.evaluate(model, images, result, explainer=other), message)


def test_results_and_explainers_of_another_classifier_are_refused() -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 3, SIDE, SIDE)
    model, larger = wrapped(small_cnn()), ttame.wrap(SmallCNN(9), mean=MEAN, std=STD, input_size=SIDE)
    result = ttame.Explainer("gradcam", model)(images)
    other = ttame.Explainer("gradcam", larger)
    refused(lambda: ttame.evaluate(model, images, other(images, 8)), "result: it explains class 8")
    refused(lambda: ttame.evaluate(model, images, result, ["adcc"], explainer=other), "explainer: it explains another")
