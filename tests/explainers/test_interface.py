"""What holds for every method of the registry."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ttame.attention.designs import DESIGNS
from ttame.backbones.backbone import Backbone
from ttame.data.sample import Sample
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import EXPLAINERS, find, in_order, title

from ..conftest import IMAGENET, TinyCNN
from .any_method import OPTIONS, PAIRS, batch_for, make_method


@pytest.fixture
def cnn(tiny_cnn: Backbone) -> Backbone:
    return tiny_cnn


@pytest.fixture
def vit(tiny_vit: Backbone) -> Backbone:
    return tiny_vit


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_an_image_gets_in_a_batch_what_it_gets_alone(name, method, request, tmp_path) -> None:
    backbone = request.getfixturevalue(name)
    explainer = make_method(method, backbone, tmp_path)
    images, targets, samples = batch_for(backbone)
    together = explainer(images, targets, samples)
    assert together.shape[0] == 4
    assert together.ndim == 3
    assert together.isfinite().all()
    scale = max(1.0, together.abs().max().item())
    for index in range(4):
        alone = explainer(images[[index]], targets[[index]], [samples[index]])
        torch.testing.assert_close(alone[0] / scale, together[index] / scale, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_cpu_and_gpu_agree(name, method, request, tmp_path) -> None:
    backbone = request.getfixturevalue(name)
    images, targets, samples = batch_for(backbone)
    expected = make_method(method, backbone, tmp_path)(images, targets, samples)
    found = make_method(method, backbone.cuda(), tmp_path)(images.cuda(), targets.cuda(), samples).cpu()
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found / scale, expected / scale, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        ("gradcam", (4, 4)),
        ("eigencam", (4, 0)),
        ("ttame", (4, 0)),
        ("ptame", (4, 0)),
        ("random", (0, 0)),
        ("rise", (160, 0)),
    ],
)
def test_passes_are_counted(method, passes, cnn, tmp_path) -> None:
    explainer = make_method(method, cnn, tmp_path)
    cnn.passes.forward = cnn.passes.backward = 0
    explainer(*batch_for(cnn))
    assert (cnn.passes.forward, cnn.passes.backward) == passes


@pytest.mark.parametrize("method", ["scorecam", "ablationcam"])
def test_channels_that_are_zero_cost_no_pass(method, cnn) -> None:
    images, targets, samples = batch_for(cnn)
    _, features = cnn.features(images, [cnn.target_layer])
    alive = int((features[cnn.target_layer] != 0).flatten(2).any(2).sum())
    assert 0 < alive < 4 * 16
    cnn.passes.forward = 0
    make_explainer(method, cnn)(images, targets, samples)
    black = 1 if method == "scorecam" else 0
    assert cnn.passes.forward == len(images) + alive + black


@pytest.mark.parametrize("method", [m for m, entry in EXPLAINERS.items() if entry.kind in {"gradient", "perturbation"}])
def test_constant_activations_give_a_finite_map(method, cnn) -> None:
    """A dead target layer: every value the same, so nothing can be normalised by its range."""
    for parameter in cnn.model.stage2[0].parameters():
        parameter.data.zero_()
    images, targets, samples = batch_for(cnn)
    maps = make_explainer(method, cnn, OPTIONS.get(method))(images, targets, samples)
    assert maps.isfinite().all()


class PairCNN(TinyCNN):
    """A classifier whose forward returns a tuple."""

    def forward(self, images: Tensor) -> Any:
        return super().forward(images), images


def test_forward_that_returns_a_tuple_is_said_in_one_line() -> None:
    with pytest.raises(TTameError, match="its forward returns a tuple, not logits"):
        Backbone("pair", PairCNN(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))


def test_bad_input_is_named(cnn) -> None:
    explainer = make_explainer("gradcam", cnn)
    images, targets, _ = batch_for(cnn)
    with pytest.raises(TTameError, match="target 5 is no class of tiny_cnn; expected 0 to 4"):
        explainer(images, torch.tensor([0, 1, 5, 2]))
    with pytest.raises(TTameError, match="3 targets for 4 images"):
        explainer(images, targets[:3])
    images[2, 0, 0, 0] = float("nan")
    with pytest.raises(TTameError, match="image 2 of the batch has values that are not finite"):
        explainer(images, targets)


def test_unknown_method_names_the_nearest(cnn) -> None:
    with pytest.raises(TTameError, match="did you mean 'gradcam'"):
        make_explainer("grad-cam", cnn)


def test_ttame_tells_how_often_a_class_was_seen(cnn, tmp_path) -> None:
    explainer = make_method("ttame", cnn, tmp_path)
    counts = explainer.training_counts(torch.tensor([3, 0, 4]))
    assert counts is not None
    assert counts.tolist() == [3, 0, 4]


def test_checkpoint_of_another_backbone_design_or_layers_is_refused(cnn, vit, tmp_path) -> None:
    make_method("ttame", cnn, tmp_path)
    path = tmp_path / "ttame.safetensors"
    with pytest.raises(TTameError, match="trained for backbone tiny_cnn"):
        make_explainer("ttame", vit, None, path)
    with pytest.raises(TTameError, match=r"trained for design ttame, but params\.yaml says lcam"):
        make_explainer("lcam_img", cnn, None, path)
    other = Backbone("tiny_cnn", TinyCNN(), cnn.preprocessing, ["stage1", "stage2"], "stage2")
    with pytest.raises(TTameError, match=r"trained for layers \['stem', 'relu', 'stage2'\]"):
        make_explainer("ttame", other, None, path)


def test_missing_and_broken_checkpoints_are_named(cnn, tmp_path) -> None:
    with pytest.raises(TTameError, match="no such checkpoint"):
        make_explainer("ttame", cnn, None, tmp_path / "ttame.safetensors")
    (tmp_path / "ttame.safetensors").write_bytes(b"broken")
    with pytest.raises(TTameError, match="not a checkpoint"):
        make_explainer("ttame", cnn, None, tmp_path / "ttame.safetensors")


def test_ground_truth_needs_ground_truth(cnn) -> None:
    images, targets, _ = batch_for(cnn)
    with pytest.raises(TTameError, match="no object masks"):
        make_explainer("ground_truth", cnn)(images, targets, [Sample("a")] * 4)


def test_registry_is_consistent() -> None:
    for name, entry in EXPLAINERS.items():
        assert entry.training is None or entry.training.design in DESIGNS
        module = entry.location.partition(":")[0].rpartition(".")[2]
        assert module == ("learned" if entry.training else name), "dvc.yaml depends on the file of the method's name"


def test_learned_method_may_carry_a_label() -> None:
    assert find("ttame-two_layers") is find("ttame")
    assert title("ttame-two_layers") == "T-TAME (two layers)"
    assert in_order(["ttame-b", "gradcam", "ttame", "tame"]) == ["gradcam", "tame", "ttame", "ttame-b"]
    with pytest.raises(KeyError):
        find("gradcam-other")
