from __future__ import annotations

import torch

from ttame.cli.calibration import Calibration
from ttame.params.active import load_settings

from ..conftest import REPOSITORY

CPU = torch.device("cpu")


def test_memory_of_a_process_does_not_depend_on_the_classifiers_before() -> None:
    settings = load_settings(REPOSITORY / "params.yaml")
    cnn, vit = (Calibration(settings, name, CPU) for name in ("shapes_cnn", "shapes_vit"))
    held = torch.ones(30_000_000)  # as what an earlier classifier left
    again = Calibration(settings, "shapes_cnn", CPU)
    assert again.process == cnn.process
    assert held.nbytes > 100e6
    weights = [4 * sum(tensor.numel() for tensor in found.backbone.parameters()) for found in (cnn, vit)]
    assert vit.process.fixed - cnn.process.fixed - (weights[1] - weights[0]) < 1e5, "but for buffers"


def test_a_judge_takes_the_memory_of_its_gradients_and_momentum() -> None:
    calibration = Calibration(load_settings(REPOSITORY / "params.yaml"), "shapes_cnn", CPU)
    weights = 4 * sum(tensor.numel() for tensor in calibration.backbone.parameters())
    assert 2.5 * weights < calibration.judge.fixed < 3.5 * weights, "the copy, its gradients and its momentum"
    assert calibration.judge.each > calibration.forward.each, "activations are kept for the backward pass"
    assert not any(parameter.requires_grad for parameter in calibration.backbone.parameters())
