"""What holds for every method of the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ttame.attention.checkpoint import feature_channels, save_checkpoint
from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.errors import TTameError
from ttame.explainers.explainer import Explainer, make_explainer
from ttame.explainers.registry import EXPLAINERS

OPTIONS: dict[str, dict[str, float]] = {"random": {"cells": 8, "seed": 1}, "center": {"sigma": 0.25}}


@pytest.fixture(params=["tiny_cnn", "tiny_vit"])
def backbone(request) -> Backbone:
    return request.getfixturevalue(request.param)


def _make(method: str, backbone: Backbone, folder: Path) -> Explainer:
    checkpoint = None
    if EXPLAINERS[method].needs_training:
        torch.manual_seed(4)
        checkpoint = folder / f"{method}.safetensors"
        network = AttentionMechanism(feature_channels(backbone), backbone.num_classes, backbone.tokens)
        save_checkpoint(checkpoint, network, torch.arange(backbone.num_classes), backbone, method)
    return make_explainer(method, backbone, OPTIONS.get(method), checkpoint)


def _batch(backbone: Backbone) -> tuple[torch.Tensor, torch.Tensor, list[Sample]]:
    torch.manual_seed(5)
    rows, columns = backbone.preprocessing.input_size
    images = backbone.normalise(torch.rand(4, 3, rows, columns))
    random = np.random.default_rng(0)
    samples = [Sample(f"{index}.png", random.random((rows, columns)) < 0.2) for index in range(4)]
    return images, torch.tensor([0, 3, 2, 4]), samples


@pytest.mark.parametrize("method", sorted(EXPLAINERS))
def test_an_image_gets_in_a_batch_what_it_gets_alone(method, backbone, tmp_path) -> None:
    explainer = _make(method, backbone, tmp_path)
    images, targets, samples = _batch(backbone)
    together = explainer(images, targets, samples)
    assert together.shape[0] == 4
    assert together.ndim == 3
    for index in range(4):
        alone = explainer(images[[index]], targets[[index]], [samples[index]])
        torch.testing.assert_close(alone[0], together[index], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("method", sorted(EXPLAINERS))
def test_two_runs_are_identical_and_leave_nothing_behind(method, backbone, tmp_path) -> None:
    explainer = _make(method, backbone, tmp_path)
    images, targets, samples = _batch(backbone)
    first, second = explainer(images, targets, samples), explainer(images, targets, samples)
    assert torch.equal(first, second)
    assert all(not module._forward_hooks for module in backbone.model.modules())
    assert all(parameter.grad is None for parameter in backbone.parameters())


@pytest.mark.parametrize(("method", "passes"), [("gradcam", (4, 4)), ("ttame", (4, 0)), ("random", (0, 0))])
def test_passes_are_counted(method, passes, backbone, tmp_path) -> None:
    explainer = _make(method, backbone, tmp_path)
    images, targets, samples = _batch(backbone)
    backbone.passes.forward = backbone.passes.backward = 0
    explainer(images, targets, samples)
    assert (backbone.passes.forward, backbone.passes.backward) == passes


def test_unknown_method_names_the_nearest(tiny_cnn) -> None:
    with pytest.raises(TTameError, match="did you mean 'gradcam'"):
        make_explainer("grad-cam", tiny_cnn)


def test_ttame_tells_how_often_a_class_was_seen(tiny_cnn, tmp_path) -> None:
    explainer = _make("ttame", tiny_cnn, tmp_path)
    counts = explainer.training_counts(torch.tensor([3, 0, 4]))
    assert counts is not None
    assert counts.tolist() == [3, 0, 4]


def test_checkpoint_of_another_backbone_is_refused(tiny_cnn, tiny_vit, tmp_path) -> None:
    _make("ttame", tiny_cnn, tmp_path)
    with pytest.raises(TTameError, match="trained for backbone tiny_cnn"):
        make_explainer("ttame", tiny_vit, None, tmp_path / "ttame.safetensors")


def test_missing_and_broken_checkpoints_are_named(tiny_cnn, tmp_path) -> None:
    with pytest.raises(TTameError, match="no such checkpoint"):
        make_explainer("ttame", tiny_cnn, None, tmp_path / "ttame.safetensors")
    (tmp_path / "ttame.safetensors").write_bytes(b"broken")
    with pytest.raises(TTameError, match="not a checkpoint"):
        make_explainer("ttame", tiny_cnn, None, tmp_path / "ttame.safetensors")


def test_ground_truth_needs_ground_truth(tiny_cnn) -> None:
    images, targets, _ = _batch(tiny_cnn)
    with pytest.raises(TTameError, match="no object masks"):
        make_explainer("ground_truth", tiny_cnn)(images, targets, [Sample("a")] * 4)
