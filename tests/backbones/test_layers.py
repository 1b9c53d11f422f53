from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.backbones.tokens import TokenLayout
from ttame.data.transforms import Preprocessing
from ttame.errors import NotDefined, TTameError
from ttame.explainers.explainer import make_explainer
from ttame.params.settings import ModelSettings

from ..conftest import IMAGENET


def _load(model: str) -> Backbone:
    return load_backbone(model, ModelSettings(model=model, weights="none"))


@pytest.mark.parametrize(
    ("model", "layers", "target"),
    [
        ("tf_efficientnet_lite0", ("blocks.2", "blocks.4", "bn2"), "bn2"),
        ("resnet18", ("layer2", "layer3", "layer4"), "layer4"),
        ("vgg16", ("features.16", "features.23", "features.30"), "features.29"),
        ("deit_tiny_distilled_patch16_224", tuple(f"blocks.{i}.norm1" for i in (9, 10, 11)), "blocks.11.norm1"),
    ],
)
def test_layers_chosen_by_rule_and_by_paper(model: str, layers: tuple[str, ...], target: str) -> None:
    backbone = _load(model)
    assert (backbone.layers, backbone.target_layer) == (layers, target)


def test_resolutions_of_a_small_network(tiny_cnn: Backbone) -> None:
    assert tiny_cnn.layers == ("stem", "relu", "stage2"), "the last map of each resolution"
    _, features = tiny_cnn.features(torch.zeros(1, 3, 32, 32), tiny_cnn.layers)
    assert [feature.shape[-1] for feature in features.values()] == [16, 8, 4]


def test_layers_that_are_named_stand_in_execution_order(tiny_cnn: Backbone) -> None:
    """In whatever order a user names them: T-TAME's map has the resolution of the first."""
    named = Backbone("named", tiny_cnn.model, tiny_cnn.preprocessing, ["stage2", "stem", "relu"], "relu")
    assert (named.layers, named.target_layer) == (("stem", "relu", "stage2"), "relu")
    with pytest.raises(TTameError, match=r"no layer called 'xyz'; layers that can be read are .*relu, .*, stage2$"):
        Backbone("named", tiny_cnn.model, tiny_cnn.preprocessing, ["xyz"], "relu")


def test_prefix_tokens_and_grid_are_read_from_the_model(tiny_vit: Backbone) -> None:
    assert tiny_vit.tokens == TokenLayout(prefix_tokens=3, grid=(4, 6))
    assert _load("deit_tiny_distilled_patch16_224").tokens == TokenLayout(2, (14, 14))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_layers_do_not_depend_on_the_weights_where_the_grid_is_small(seed: int) -> None:
    """On 2 x 2 positions every one of them has seen the whole image, so that its halves cannot be asked for."""
    torch.manual_seed(seed)
    model = timm.create_model("mobilenetv2_100", num_classes=4)
    backbone = Backbone("small", model, Preprocessing((64, 64), 64, "bilinear", *IMAGENET))
    assert backbone.layers == ("blocks.2", "blocks.4", "bn2")
    assert backbone.layout("bn2").grid == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "layers"),
    [("coat_tiny", ("cpe2", "cpe3", "cpe4")), ("levit_128s", ("stages.0", "stages.1", "stages"))],
)
def test_the_coarsest_maps_that_decide(model: str, layers: tuple[str, ...]) -> None:
    """CoaT ends in norms of which the class token alone is read; of LeViT random weights leave no positions."""
    assert _load(model).layers == layers


class Normalised(nn.Module):
    """As users wrap a classifier: images in, what `changed` makes of its logits out."""

    def __init__(self, classifier: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.normalisation, self.classifier, self.scale = nn.Identity(), classifier, scale

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.normalisation(images)) * self.scale
        return logits


def test_a_transformer_inside_another_module_is_read_as_by_itself(tiny_vit: Backbone) -> None:
    inside = Backbone("inside", Normalised(tiny_vit.model), tiny_vit.preprocessing)
    assert inside.tokens == tiny_vit.tokens
    assert inside.layers == tuple(f"classifier.{layer}" for layer in tiny_vit.layers)
    images, targets = torch.randn(2, 3, *tiny_vit.preprocessing.input_size), torch.tensor([0, 1])
    for method in ("gradcam", "rollout", "lrp"):
        torch.testing.assert_close(
            make_explainer(method, inside)(images, targets), make_explainer(method, tiny_vit)(images, targets)
        )


def test_logits_that_are_changed_outside_have_no_rule(tiny_vit: Backbone) -> None:
    scaled = Backbone("scaled", Normalised(tiny_vit.model, 2.0), tiny_vit.preprocessing)
    with pytest.raises(NotDefined, match="no rule for what scaled makes of the logits"):
        make_explainer("lrp", scaled)


def test_network_without_maps_asks_for_layers() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(TTameError, match=r"name some in models\.flat\.layers"):
        Backbone("flat", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET))


def test_golden_tokens(golden) -> None:
    arrays = golden("attention_ttame")
    for index in range(3):
        maps = TokenLayout(1, (14, 14)).to_maps(arrays[f"vit.in.{index}"].double())
        torch.testing.assert_close(maps, arrays[f"vit.TAME.pre.{index}"], atol=1e-12, rtol=0)


def test_golden_layout_of_a_sequence(golden) -> None:
    """The published flattening of a CNN's map into tokens; ours is its inverse."""
    arrays = golden("attention_ttame")
    assert torch.equal(TokenLayout(0, (4, 5)).to_maps(arrays["seq.out"]), arrays["seq.in"])


def test_sequence_of_another_length_is_refused() -> None:
    with pytest.raises(TTameError, match=r"expected \(B, 1 \+ 2 \* 3, C\)"):
        TokenLayout(1, (2, 3)).to_maps(torch.zeros(1, 9, 4))
