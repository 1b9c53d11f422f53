"""Every public function that takes tensors, as if on a GPU: the CPU's results, nothing on two devices."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

import ttame
from benchmarks.agreement import AUXILIARY
from benchmarks.photographs import settings_of
from benchmarks.untrained import explainer_of
from tests.device.accelerator import DEVICE, OnDevice
from tests.device.reached import functions_of_tensors, recorded
from tests.device.test_explainers import FAST
from tests.device.test_training import KINDS, training_of
from ttame.attention import rate_range, warm_start
from ttame.attention.checkpoint import make_network
from ttame.attention.epochs import pixels_of
from ttame.attention.transformer_mechanism import maps_to_tokens
from ttame.backbones import checking
from ttame.backbones.attention.deciding import reads_pooling
from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data import blurring, transforms
from ttame.data.sample import Sample
from ttame.data.shapes import render
from ttame.explainers.explainer import at_most, make_explainer
from ttame.measures import grid_pointing, judged_fidelity, known_parts, noise, single_deletion
from ttame.measures.options import SingleDeletionOptions
from ttame.metrics import adcc, average_drop, imputation, insertion_deletion, localisation, multigrid
from ttame.metrics import masking as maps_as_masks
from ttame.metrics.rank_correlation import rank_correlation
from ttame.metrics.road import perturbed_images
from ttame.metrics.scoring import masked_probabilities, probability
from ttame.params.evaluation import RoadSettings
from ttame.params.settings import ModelSettings

ON_THE_CPU = {
    "ttame.metrics.compiled_multigrid.solve": "the solver of CPUs",
    "ttame.backbones.weights.": "tensors of a file",
    "ttame.store.": "tensors for a file",
    "ttame.report.": "tensors of a file",
}
"""Functions, or modules of them, whose tensors are never on a device, and why."""
SETTINGS = settings_of("shapes")
EXPLAINERS_OF = {
    "shapes_cnn": ("ablationcam", "eigencam", "iia", "integrated_gradients", "rise", "lcam_fm", "ptame"),
    "shapes_vit": ("gae", "iia", "lrp", "rollout", "ttame"),
}


@dataclass
class Place:
    """Classifiers and images on one of the devices."""

    device: torch.device
    cnn: Backbone
    vit: Backbone
    pixels: Tensor

    def given(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), the same on both."""
        return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape))).to(self.device)

    def classes(self, *classes: int) -> Tensor:
        return torch.tensor(classes).to(self.device)

    @property
    def images(self) -> Tensor:
        return transforms.to_unit_range(self.pixels)

    @property
    def clean(self) -> Tensor:
        return self.cnn.normalise(self.images)


def _maps(place: Place) -> Any:
    saliency = place.given(2, 8, 8)
    order = maps_as_masks.rank_pixels(saliency)
    return [
        maps_as_masks.normalise_map(saliency),
        maps_as_masks.saliency_map(saliency, (16, 16)),
        maps_as_masks.keep_most_salient(saliency, 50),
        maps_as_masks.removed_pixels(order, 20),
        at_most(saliency, 4),
        adcc.coherency(saliency, saliency.flip(1)),
        adcc.complexity(saliency),
        adcc.adcc(*place.given(3, 2)),
        average_drop.drop(*place.given(2, 3)),
        average_drop.increase(*place.given(2, 3)),
        average_drop.gain(*place.given(2, 3)),
        localisation.pointing_game(saliency, saliency.flip(1) > 0.5),
        localisation.mass_inside(saliency, saliency.flip(1) > 0.5),
        rank_correlation(saliency, saliency.flip(1)),
        insertion_deletion.area_under_curve(place.given(2, 5)),
        noise.mixed(saliency, ("a", "b"), 50, 1),
    ]


def _changed_images(place: Place) -> Any:
    images, saliency = place.images, place.given(2, 64, 64)
    removed = place.given(2, 16, 16) > 0.5
    return [
        blurring.blurred(images, 0.1),
        insertion_deletion.insertion_images(images, saliency, 3, 0.1),
        insertion_deletion.deletion_images(images, saliency, 3),
        imputation.impute_linear(images[..., :16, :16], removed),
        multigrid.solve(images[..., :16, :16], removed),
        perturbed_images(images, saliency, ("a", "b"), RoadSettings(shares=[50])),
    ]


def _scores(place: Place) -> Any:
    saliency = place.given(2, 64, 64)
    targets = place.classes(1, 7)
    measures = ["average_drop", "road", "insertion_deletion"]
    tables = [ttame.evaluate(place.cnn, place.images, saliency, measures, targets=asked) for asked in (None, [1, 7])]
    return [
        *(torch.from_numpy(table.select_dtypes("number").to_numpy()) for table in tables),
        probability(place.cnn, place.clean, targets),
        masked_probabilities(place.cnn, place.images, saliency, targets, [50]),
    ]


def _measures(place: Place) -> Any:
    saliency = place.given(2, 64, 64)
    drops = single_deletion.cell_drops(place.cnn, place.clean, SingleDeletionOptions())
    parts = (saliency * 3).to(torch.uint8)
    most, others = judged_fidelity.split_order(place.given(16).argsort(), 50)
    return [
        single_deletion.cell_correlation(saliency, drops),
        grid_pointing.join(place.given(1, 4, 3, 8, 8)),
        grid_pointing.share_inside(place.given(1, 4, 8, 8), (8, 8)),
        known_parts.part_found(saliency, place.given(2, 3), parts),
        known_parts.idle_mass(saliency, place.given(2, 3), parts, 0.5),
        judged_fidelity.removals(most, 16, 0.25, 2, np.random.default_rng(1)),
        others,
    ]


def _mechanisms(place: Place) -> Any:
    cnn, vit, layer = place.cnn, place.vit, place.cnn.layers[-1]
    rows = warm_start.class_rows(cnn, layer, [place.clean])
    network = make_network(cnn, "passing", cnn.layers).to(place.device)
    warm_start.start_from_cam(network, rows.to(place.device), 0.0)
    for backbone, kind, *how in ((vit, "ranked"), (cnn, "max", "lcam", "features")):
        training = training_of(backbone, KINDS[kind], *how)
        training.step(pixels_of(training, place.pixels))
    training = training_of(cnn, KINDS["blurred"])
    history = rate_range.rate_range_test(training, [place.images], 1e-4, 1e-2, 1)
    return [
        rows,
        torch.tensor(warm_start.scale_of_range(cnn, layer, rows.to(place.device), [place.clean], 12.0)),
        torch.tensor(history["loss"].to_list()),
        maps_to_tokens(place.given(2, 5, 3, 4)),
    ]


def _explainers(place: Place) -> Any:
    samples = [Sample("a"), Sample("b")]
    found = []
    for backbone in (place.cnn, place.vit):
        checking.check_outputs(backbone, "models", place.clean)
        for method in EXPLAINERS_OF[backbone.name]:
            explainer = (
                make_explainer(method, backbone, FAST[method])
                if method in FAST
                else explainer_of(method, backbone, SETTINGS, AUXILIARY)
            )
            found.append(maps_as_masks.normalise_map(explainer(place.clean, place.classes(1, 7), samples).detach()))
    blocks = attention_layers(place.vit, "gae").blocks
    reads = reads_pooling(place.vit.model, blocks[-1], place.clean[:1], len(blocks) - 1)
    found.append(torch.tensor(reads))
    return found


WORKS: tuple[Callable[[Place], Any], ...] = (_maps, _changed_images, _scores, _measures, _mechanisms, _explainers)


@pytest.mark.slow
def test_every_function_that_takes_tensors_takes_those_of_a_device() -> None:
    functions = functions_of_tensors()
    names = {name for name in functions.values() if not name.startswith(tuple(ON_THE_CPU))}
    assert len(names) > 80
    pixels = torch.from_numpy(np.stack([render(1, index).pixels for index in range(2)])).movedim(-1, 1)
    reached: set[str] = set()
    cnn, vit = (load_backbone(name, ModelSettings(model=name)) for name in EXPLAINERS_OF)
    here = Place(torch.device("cpu"), cnn, vit, pixels)
    there = Place(DEVICE, copy.deepcopy(cnn).to(DEVICE), copy.deepcopy(vit).to(DEVICE), pixels.to(DEVICE))
    for work in WORKS:
        expected = work(here)
        with recorded(functions) as called:
            found = work(there)
        reached |= called
        torch.testing.assert_close(tree_map(_on_the_cpu, found), expected, atol=1e-3, rtol=1e-3)
    assert names - reached == set(), "each needs a line here, or a reason why its tensors are never there"


def _on_the_cpu(part: Any) -> Any:
    return part.cpu() if isinstance(part, OnDevice) else part
