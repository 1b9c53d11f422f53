"""The CAM family against the golden arrays, and against the package grad-cam as a live reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.peers import GRAD_CAM_CLASSES
from ttame.backbones.backbone import Backbone
from ttame.explainers.explainer import make_explainer
from ttame.explainers.families.principal_component import principal_component
from ttame.metrics.masking import normalise_map, resize_map

from .golden_networks import cams_cnn, golden_vit

GRADIENT = ("gradcam", "gradcam++", "xgradcam", "layercam", "hirescam")
EIGEN = ("eigencam", "eigengradcam")
PERTURBATION = ("scorecam", "ablationcam")
OPTIONS = {"ablationcam": {"ablated_value": "published"}}


def _as_the_package_returns(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return normalise_map(resize_map(normalise_map(maps), size))


def _key(method: str) -> str:
    return method.replace("++", "pp")


def _check(arrays: dict[str, Tensor], case: str, method: str, backbone: Backbone, tolerance: float) -> None:
    network = case.split(".", maxsplit=1)[0]
    images, labels = arrays[f"{network}.images"], arrays[f"{network}.labels"]
    maps = make_explainer(method, backbone, OPTIONS.get(method))(images, labels)
    raw, returned = arrays[f"{case}.{_key(method)}.raw"], arrays[f"{case}.{_key(method)}"]
    shown = _as_the_package_returns(maps, (32, 32))
    for index in range(len(images)):
        scale = raw[index].abs().max().item()
        error = (maps[index] - raw[index].relu()).abs().max().item()
        if method in EIGEN:  # the sign of a singular vector is LAPACK's choice
            flipped = (maps[index] - (-raw[index]).relu()).abs().max().item()
            assert min(error, flipped) <= 1e-4 * scale
            if error > flipped:
                continue
        assert error <= 1e-4 * scale
        torch.testing.assert_close(shown[index], returned[index], atol=tolerance, rtol=0)


@pytest.mark.parametrize("method", [*GRADIENT, *EIGEN, *PERTURBATION])
@pytest.mark.parametrize(("layer", "name"), [("2", "conv"), ("3", "relu")])
def test_golden_cnn(golden, method, layer, name) -> None:
    arrays = golden("cams")
    _check(arrays, f"cnn.{name}", method, cams_cnn(arrays, layer), 1e-5)


@pytest.mark.parametrize("method", [*GRADIENT, *EIGEN, *PERTURBATION])
def test_golden_vit(golden, method) -> None:
    arrays = golden("cams")
    backbone = golden_vit(arrays, "vit.param.")
    assert backbone.target_layer == "blocks.2.norm1"
    _check(arrays, "vit", method, backbone, 1e-4 if method == "ablationcam" else 1e-5)


@pytest.mark.parametrize(("layer", "name"), [("2", "conv"), ("3", "relu")])
def test_golden_activations_and_gradients(golden, layer, name) -> None:
    arrays = golden("cams")
    images, labels = arrays["cnn.images"], arrays["cnn.labels"]
    activation, gradient = cams_cnn(arrays, layer).activation_and_gradient(images, labels, layer)
    torch.testing.assert_close(activation, arrays[f"cnn.{name}.activations"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(gradient, arrays[f"cnn.{name}.grads"], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("case", "layer"), [("cnn.conv", "2"), ("cnn.relu", "3"), ("vit", "")])
def test_golden_weights_of_ablation(golden, case, layer) -> None:
    arrays = golden("cams")
    network = case.split(".", maxsplit=1)[0]
    backbone = cams_cnn(arrays, layer) if layer else golden_vit(arrays, "vit.param.")
    explainer = make_explainer("ablationcam", backbone, OPTIONS["ablationcam"])
    recording = backbone.record(arrays[f"{network}.images"], backbone.target_layer)
    for index, target in enumerate(arrays[f"{network}.labels"]):
        weights = explainer.weights(recording.of(index), target)  # type: ignore[attr-defined]
        for published in ("ablationcam", "ablationcam_bs1"):
            expected = arrays[f"{case}.{published}.weights"][index]
            torch.testing.assert_close(weights, expected, rtol=1e-4, atol=1e-5)


def test_golden_model_truth(golden) -> None:
    arrays = golden("cams")
    backbone = cams_cnn(arrays, "3")
    logits = backbone(arrays["cnn.images"])
    torch.testing.assert_close(logits, arrays["cnn.logits"])
    maps = make_explainer("gradcam", backbone)(arrays["cnn.images"], logits.argmax(1))
    shown = _as_the_package_returns(maps, (32, 32))
    torch.testing.assert_close(shown, arrays["cnn.relu.gradcam.argmax"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("layer", "name"), [("2", "conv"), ("3", "relu")])
def test_golden_other_score_cam(golden, layer, name) -> None:
    arrays = golden("cams")
    explainer = make_explainer("scorecam", cams_cnn(arrays, layer), {"weights": "class_probability"})
    maps = explainer(arrays["cnn.images"], arrays["cnn.labels"])
    torch.testing.assert_close(normalise_map(maps), arrays[f"cnn.{name}.scorecam_yiskw1713"], atol=1e-5, rtol=0)


def test_ablation_of_a_zero_map_is_the_published_one(golden) -> None:
    """After a ReLU the smallest activation is 0, so paper and package ablate with the same value."""
    arrays = golden("cams")
    explainer = make_explainer("ablationcam", cams_cnn(arrays, "3"), {"ablated_value": "zero"})
    maps = explainer(arrays["cnn.images"], arrays["cnn.labels"])
    torch.testing.assert_close(maps, arrays["cnn.relu.ablationcam.raw"].relu(), rtol=1e-4, atol=1e-4)


def test_ablation_of_a_logit_of_zero_is_finite(tiny_cnn) -> None:
    tiny_cnn.model.head.weight.data[2], tiny_cnn.model.head.bias.data[2] = 0.0, 0.0
    assert make_explainer("ablationcam", tiny_cnn)(torch.randn(1, 3, 32, 32), torch.tensor([2])).isfinite().all()


def _package_map(method: str, backbone: Backbone, images: Tensor, targets: Tensor) -> np.ndarray:
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.ablation_layer import AblationLayerVit
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    for parameter in backbone.model.parameters():
        parameter.requires_grad_(True)  # the package needs a graph from the start
    options: dict[str, object] = {}
    if backbone.tokens is not None:
        rows, columns = backbone.tokens.grid
        options["reshape_transform"] = lambda t: t[:, 1:].transpose(1, 2).unflatten(2, (rows, columns))
        if method == "ablationcam":
            options["ablation_layer"] = AblationLayerVit()
    layer = backbone.model.get_submodule(backbone.target_layer)
    with getattr(package, GRAD_CAM_CLASSES[method])(
        model=backbone.model, target_layers=[layer], **options
    ) as explainer:
        maps: np.ndarray = explainer(images, [ClassifierOutputTarget(int(target)) for target in targets])
    for parameter in backbone.model.parameters():
        parameter.requires_grad_(False).grad = None
    return maps


def _either_sign(method: str, backbone: Backbone, images: Tensor, targets: Tensor) -> list[Tensor]:
    """The map, and for the Eigen-CAMs the one of the other sign, which LAPACK may have chosen in the package."""
    maps = [make_explainer(method, backbone, OPTIONS.get(method))(images, targets)]
    if method in EIGEN:
        activation, gradient = backbone.activation_and_gradient(images, targets, backbone.target_layer)
        activation, gradient = backbone.to_maps(activation), backbone.to_maps(gradient)
        raw = principal_component(activation if method == "eigencam" else gradient * activation)
        torch.testing.assert_close(maps[0], raw.relu())
        maps.append((-raw).relu())
    return maps


def _agrees_with_the_package(method: str, backbone: Backbone, images: Tensor, tolerance: float) -> None:
    targets = backbone(images).argmax(1)
    size = (images.shape[2], images.shape[3])
    candidates = [
        _as_the_package_returns(maps, size).numpy() for maps in _either_sign(method, backbone, images, targets)
    ]
    theirs = _package_map(method, backbone, images, targets)
    for index, expected in enumerate(theirs):
        assert min(np.abs(maps[index] - expected).max() for maps in candidates) <= tolerance


@pytest.mark.slow
@pytest.mark.parametrize("method", [*GRADIENT, *EIGEN])
def test_against_the_package_on_photographs(method, lite0, two_photographs) -> None:
    _agrees_with_the_package(method, lite0, two_photographs, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", PERTURBATION)
def test_against_the_package_on_a_photograph(method, lite0, two_photographs) -> None:
    """One small image: the package runs the whole network once for every one of 1280 channels."""
    small = torch.nn.functional.interpolate(two_photographs[:1], (96, 96), mode="bilinear", antialias=True)
    _agrees_with_the_package(method, lite0, small, 1e-3)


@pytest.mark.parametrize("method", [*GRADIENT, *EIGEN, *PERTURBATION])
def test_against_the_package_on_a_timm_vit(method) -> None:
    from timm.models.vision_transformer import VisionTransformer

    from ttame.data.transforms import Preprocessing

    from ..conftest import IMAGENET

    torch.manual_seed(3)
    model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=5)
    backbone = Backbone("vit", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    _agrees_with_the_package(method, backbone, torch.randn(2, 3, 32, 32), 1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("size", [(2, 3), (5, 4)], ids=["fewer positions than channels", "more"])
def test_the_component_is_positive_where_activations_are_strong(sign: float, size: tuple[int, int]) -> None:
    """Positions that differ along one direction alone: the component is their place on it, whichever way it points."""
    along = torch.linspace(1, 3, size[0] * size[1], dtype=torch.float64).view(1, 1, *size)
    direction = torch.tensor([2.0, -1, 2, 0, 0, 0, 0, 0], dtype=torch.float64).view(1, -1, 1, 1)
    found = principal_component(sign * along * direction)
    torch.testing.assert_close(found, 3 * (along - along.mean())[:, 0])
