"""The start from class activation maps, and the mechanism that can pass features on as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ttame.attention.checkpoint import make_network
from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.passing_mechanism import PassingMechanism
from ttame.attention.warm_start import class_rows, scale_of_range, start_from_cam
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.backbones.tokens import TokenLayout
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings

from ..conftest import IMAGENET, TinyCNN


def _images(backbone: Backbone, count: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return torch.rand(count, 3, *backbone.preprocessing.input_size, generator=generator)


@pytest.fixture
def tiny_resnet() -> Backbone:
    import timm

    torch.manual_seed(0)
    model = timm.create_model("resnet18", pretrained=False, num_classes=7)
    return Backbone("tiny_resnet", model, Preprocessing((64, 64), 64, "bilinear", *IMAGENET))


def _cam(backbone: Backbone, rows: Tensor, images: Tensor, size: torch.Size) -> Tensor:
    """(B, K, h, w): Zhou et al., equation 2, as one sum over channels."""
    _, features = backbone.features(backbone.normalise(images), backbone.layers)
    last = features[backbone.layers[-1]]
    if backbone.tokens is not None:
        patches = last[:, backbone.tokens.prefix_tokens :]
        last = patches.transpose(1, 2).unflatten(2, backbone.tokens.grid)
    maps = torch.einsum("kc,bchw->bkhw", rows, last)
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)


def _maps(backbone: Backbone, network: nn.Module, images: Tensor) -> Tensor:
    _, features = backbone.features(backbone.normalise(images), backbone.layers)
    maps: Tensor = network(list(features.values()))
    return maps


@pytest.mark.parametrize("design", ["ttame", "passing"])
@pytest.mark.parametrize(("name", "head"), [("tiny_cnn", "head"), ("tiny_resnet", "fc"), ("lite0", "classifier")])
def test_before_the_first_step_the_map_of_every_class_is_cam(name, head, design, request) -> None:
    backbone: Backbone = request.getfixturevalue(name)
    images = _images(backbone)
    backbone.passes.backward = 0
    rows = class_rows(backbone, backbone.layers[-1], [images])
    weight = backbone.model.get_parameter(f"{head}.weight")
    assert torch.equal(rows, weight)
    assert backbone.passes.backward == 0
    torch.manual_seed(1)
    network = make_network(backbone, design, backbone.layers).train()
    start_from_cam(network, 0.2 * rows, 1.5)
    maps = _maps(backbone, network, images)
    torch.testing.assert_close(maps, 0.2 * _cam(backbone, weight, images, maps.shape[2:]) + 1.5, atol=1e-5, rtol=1e-5)


class HeadOfConvolutions(nn.Module):
    """The same function as `TinyCNN`, whose last linear layer is no `nn.Linear` on means any more."""

    def __init__(self, model: TinyCNN) -> None:
        super().__init__()
        self.model = model
        self.last = nn.Conv2d(16, 5, 1)
        self.last.load_state_dict({"weight": model.head.weight[..., None, None], "bias": model.head.bias})

    def forward(self, images: Tensor) -> Tensor:
        maps = self.model.stage1(self.model.stem(images)) + 1.0
        return self.last(self.model.stage2(self.model.relu(maps))).mean((2, 3))


def test_the_general_form_is_the_row_where_both_exist(tiny_cnn) -> None:
    model = HeadOfConvolutions(tiny_cnn.model)
    layers = ["model.stem", "model.relu", "model.stage2"]
    other = Backbone("other", model, tiny_cnn.preprocessing, layers, layers[-1])
    images = _images(tiny_cnn, 6)
    rows = class_rows(tiny_cnn, "stage2", images.split(4))
    other.passes.forward = other.passes.backward = 0
    general = class_rows(other, "model.stage2", images.split(4))
    torch.testing.assert_close(general, rows, atol=1e-6, rtol=1e-5)
    assert (other.passes.forward, other.passes.backward) == (6 + 1, 6 * 5), "one image tells the kind of the head"


@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
def test_the_general_form_is_the_mean_weight_of_grad_cam(name) -> None:
    backbone = load_backbone(name, ModelSettings(model=name))
    images = _images(backbone, 5)
    rows = class_rows(backbone, backbone.layers[-1], images.split(2))
    clean = backbone.normalise(images)
    for target in (0, 7):
        targets = torch.full((5,), target)
        _, gradient = backbone.activation_and_gradient(clean, targets, backbone.layers[-1])
        summed = gradient[:, 1:].sum(1) if backbone.is_transformer else gradient.sum((2, 3))
        torch.testing.assert_close(rows[target], summed.mean(0), atol=1e-6, rtol=1e-4)
    network = make_network(backbone, "passing", backbone.layers).train()
    start_from_cam(network, 3 * rows, 0.0)
    maps = _maps(backbone, network, images)
    torch.testing.assert_close(maps, 3 * _cam(backbone, rows, images, maps.shape[2:]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
@pytest.mark.parametrize("wanted", [4.0, 12.0])
def test_the_scale_gives_the_maps_of_own_classes_their_range(name, wanted) -> None:
    backbone = load_backbone(name, ModelSettings(model=name))
    images = _images(backbone, 5)
    layer = backbone.layers[-1]
    rows = class_rows(backbone, layer, [images])
    scale = scale_of_range(backbone, layer, rows, images.split(2), wanted)
    targets = backbone(backbone.normalise(images)).argmax(1)
    side = torch.Size([8, 8])
    own = scale * _cam(backbone, rows, images, side)[torch.arange(5), targets].flatten(1)
    assert (own.amax(1) - own.amin(1)).mean().item() == pytest.approx(wanted, rel=1e-4)


def test_training_can_leave_the_start(tiny_cnn) -> None:
    network = make_network(tiny_cnn, "passing", tiny_cnn.layers).train()
    start_from_cam(network, class_rows(tiny_cnn, "stage2", [_images(tiny_cnn)]), 0.0)
    _maps(tiny_cnn, network, _images(tiny_cnn)).square().sum().backward()
    moved = {
        name for name, parameter in network.named_parameters() if parameter.grad is not None and parameter.grad.any()
    }
    assert {"fuser.weight", "fuser.bias", "bns.2.weight", "bns.2.bias"} <= moved


def test_gates_lead_from_tame_to_ttame() -> None:
    torch.manual_seed(0)
    layout = TokenLayout(2, (3, 4))
    features = [torch.rand(2, 14, width) for width in (6, 8)]  # not negative, so that ReLU cuts nothing
    passing = PassingMechanism((6, 8), 5, layout)
    for version, gate in (("TAME", 0.0), ("TTAME", 1.0)):
        published = AttentionMechanism((6, 8), 5, layout, version)  # type: ignore[arg-type]
        passing.load_state_dict(published.state_dict(), strict=False)
        for gates in passing.gates:
            nn.init.constant_(gates, gate)
        torch.testing.assert_close(passing(features), published(features), atol=1e-6, rtol=1e-6)


def test_on_a_cnn_with_relu_it_is_the_published_mechanism() -> None:
    torch.manual_seed(0)
    features = [torch.randn(2, width, 4, 4).relu() for width in (6, 8)]
    published, passing = AttentionMechanism((6, 8), 5), PassingMechanism((6, 8), 5)
    passing.load_state_dict(published.state_dict())
    assert torch.equal(passing(features), published(features))


@pytest.mark.parametrize("design", ["no_skip", "no_skip_no_norm", "lcam", "tattention_v3"])
def test_a_mechanism_without_such_branches_is_a_line(tiny_cnn, design) -> None:
    layers = tiny_cnn.layers[-1:]
    with pytest.raises(TTameError, match=r"mechanism\.warm_start: needs branches with a skip connection and a batch"):
        start_from_cam(make_network(tiny_cnn, design, layers), torch.ones(5, 16), 0.0)


class Detached(HeadOfConvolutions):
    """A classifier that no gradient comes out of, as one that another library runs."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return 1.0 * super().forward(images)


def test_a_classifier_without_gradients_is_a_line(tiny_vit) -> None:
    backbone = Backbone("detached", Detached(TinyCNN()), Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    with pytest.raises(TTameError, match=r"the logits of detached have no gradient at its layer model\.stage2 \("):
        class_rows(backbone, "model.stage2", [_images(backbone)])
    with pytest.raises(TTameError, match="tiny_vit has no finite gradient other than 0 at its layer norm; set it"):
        class_rows(tiny_vit, "norm", [_images(tiny_vit)])  # after the last norm the class token alone is read


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"scale": 0.0}, r"mechanism\.warm_start\.scale: 0\.0 should be greater than 0 or be 'auto' \(of the maps"),
        ({"range": 0}, r"mechanism\.warm_start\.range: 0 should be greater than 0"),
        ({"image": 4}, r"mechanism\.warm_start: unknown key 'image'; did you mean 'images'"),
        ("yes", r"mechanism\.warm_start: 'yes' should be keys and values"),
    ],
)
def test_bad_settings_are_a_line(params: dict[str, Any], value, message) -> None:
    from ttame.params.reading import parse_settings

    params["attention"]["ttame"]["mechanism"]["warm_start"] = value
    with pytest.raises(TTameError, match=message):
        parse_settings(params)
