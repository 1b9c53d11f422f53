"""Training steps of every kind, as if on a GPU: the CPU's weights, and one wait a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from tests.device.accelerator import DEVICE, OnDevice
from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import classifier_read, make_network
from ttame.attention.history import Averages
from ttame.attention.training import AttentionTraining
from ttame.attention.warm_start import class_rows, scale_of_range, start_from_cam
from ttame.backbones.backbone import Backbone
from ttame.params.attention import LossSettings, RecipeSettings
from ttame.params.auxiliary import AuxiliarySettings

KINDS: dict[str, dict[str, Any]] = {
    "random": {"masking": "random"},
    "diagonal": {"masking": "diagonal"},
    "max": {"masking": "max"},
    "ranked": {"ranked_masks": 0.5, "complement": 0.5},
    "blurred": {"blurred_fill": 0.5},
}
WAITS = {"ranked": 3, "blurred": 2}
"""Of a step; those beside one are of images that are chosen by a mask."""


class WhereItIs(Fabric):
    """Leaves a network where it is, since Fabric knows no such device."""

    def setup(self, module: nn.Module, *optimisers: Any, **others: Any) -> Any:
        return super().setup(module, *optimisers, move_to_device=False, **others)


def training_of(backbone: Backbone, loss: dict[str, Any], design: str = "ttame", masks: Any = "image") -> Any:
    device = next(backbone.parameters()).device
    auxiliary = None
    if design == "ptame":
        chosen = AuxiliarySettings(name="shapes_cnn", model="shapes_cnn", weights="default", layers="auto")
        auxiliary = Auxiliary(chosen, backbone)
    read = classifier_read(backbone, auxiliary)
    layers = read.layers[-1:] if masks == "features" else read.layers
    torch.manual_seed(0)
    network = make_network(backbone, design, layers, auxiliary).to(device)
    recipe, processes = RecipeSettings(precision="float32"), WhereItIs(accelerator="cpu", devices=1)
    settings = LossSettings.model_validate(loss)
    return AttentionTraining(backbone, network.train(), layers, settings, recipe, 0.01, 10, masks, processes, auxiliary)


def _state(training: AttentionTraining) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in training.network.state_dict().items()}


def _hold_against_the_cpu(pair: tuple[Backbone, Backbone], images: Tensor, asked: Any, waits: int, *how: Any) -> None:
    here, there = (training_of(backbone, *how) for backbone in pair)
    for training in (here, there):
        averages = Averages()
        for _ in range(2):
            averages.add(training.step(images.to(training.counts.device)))
        assert averages.row("train").keys()
    for name, value in _state(there).items():
        torch.testing.assert_close(value, _state(here)[name], atol=1e-5, rtol=1e-3)
    assert isinstance(there.counts, OnDevice)
    assert torch.equal(there.counts.cpu(), here.counts)
    given = images.to(DEVICE)
    assert asked(lambda: averages.add(there.step(given))).waits <= waits


@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_the_cpu(kind, pair, images, asked) -> None:
    _hold_against_the_cpu(pair, images, asked, WAITS.get(kind, 1), KINDS[kind])


def test_masked_features(pair, images, asked) -> None:
    _hold_against_the_cpu(pair, images, asked, 1, {}, "lcam", "features")


def test_an_auxiliary_classifier(pair, images, asked) -> None:
    _hold_against_the_cpu(pair, images, asked, 1, {}, "ptame")


def test_a_warm_start(pair, images) -> None:
    starts = []
    for backbone in pair:
        given = images.to(next(backbone.parameters()).device)
        rows = class_rows(backbone, backbone.layers[-1], [given])
        scale = scale_of_range(backbone, backbone.layers[-1], rows, [given], 12.0)
        network = make_network(backbone, "passing", backbone.layers).to(given.device)
        start_from_cam(network, rows * scale, 0.0)
        starts.append((rows.cpu(), scale))
    torch.testing.assert_close(starts[1][0], starts[0][0], atol=1e-5, rtol=1e-4)
    assert starts[1][1] == pytest.approx(starts[0][1], rel=1e-4)
