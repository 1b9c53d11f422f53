"""Layers in every layout, in networks of a few lines; real architectures are in tests/test_coverage.py."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.backbones.layers import candidates
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

from ..conftest import IMAGENET, TinyCNN


class MLP(nn.Module):
    """A block: it changes every position by itself and keeps what was there."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, positions: Tensor) -> Tensor:
        return positions + 0.1 * self.second(self.first(positions).relu())


class ClassAttention(nn.Module):
    """The first token asks, and patches pass."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        weights = (tokens[:, :1] @ self.key(tokens).mT).softmax(2)
        return torch.cat([tokens[:, :1] + weights @ self.value(tokens), tokens[:, 1:]], dim=1)


class Patches(nn.Module):
    """A small classifier on 4 x 6 patches, whose blocks see (B, h, w, C) maps or (B, N, C) tokens.

    Args:
        channels_last: maps instead of tokens.
        order: in which the patches stand, or None for row by row.
        pooled: the mean decides; else a class token that asks at the end.
    """

    def __init__(self, channels_last: bool = False, order: Tensor | None = None, pooled: bool = True) -> None:
        super().__init__()
        self.patch_embed = nn.Sequential(nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8))
        self.blocks = nn.Sequential(MLP(8), MLP(8), MLP(8), MLP(8))
        self.class_attention = None if pooled else ClassAttention(8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 5)
        self.channels_last, self.order = channels_last, order

    def forward(self, images: Tensor) -> Tensor:
        maps = self.patch_embed(images).movedim(1, -1)
        if not self.channels_last:
            maps = maps.flatten(1, 2)
        if self.order is not None:
            maps = maps[:, self.order]
        maps = self.blocks(maps)
        if self.class_attention is not None:
            tokens = torch.cat([maps.new_zeros(len(maps), 1, 8), maps], dim=1)
            return self.head(self.norm(self.class_attention(tokens))[:, 0])
        return self.head(self.norm(maps).flatten(1, -2).mean(1))


class Wrapper(nn.Module):
    """As users wrap what they got from elsewhere."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(images)


def _backbone(model: nn.Module, *layers: str) -> Backbone:
    torch.manual_seed(0)
    preprocessing = Preprocessing((32, 48), 32, "bilinear", *IMAGENET)
    return Backbone("patches", model, preprocessing, list(layers) or None, layers[-1] if layers else None)


BLOCKS = ("blocks.1", "blocks.2", "blocks.3")


@pytest.mark.parametrize("channels_last", [False, True])
def test_last_blocks_where_all_have_one_resolution(channels_last: bool) -> None:
    backbone = _backbone(Patches(channels_last))
    assert backbone.layers == BLOCKS
    assert str(backbone.layout("blocks.3")) == ("(4, 6, C)" if channels_last else "(0 + 4 x 6, C)")
    assert (backbone.tokens is None) == channels_last


@pytest.mark.parametrize("channels_last", [False, True])
def test_features_are_maps_of_the_image(channels_last: bool) -> None:
    """A patch that changes is the position that changes, for features, gradients, recordings and reruns."""
    backbone = _backbone(Patches(channels_last))
    images = torch.randn(1, 3, 32, 48).repeat(2, 1, 1, 1)
    images[1, :, 8:16, 40:48] += 1
    with torch.no_grad():
        found = backbone.features(images, ["blocks.3"])[1]["blocks.3"]
    maps = backbone.to_maps(found)
    changed = (maps[0] != maps[1]).any(0).nonzero().tolist()
    assert changed == [[1, 5]]
    activation, gradient = backbone.activation_and_gradient(images, torch.tensor([1, 1]), "blocks.3")
    assert activation.shape == gradient.shape == found.shape
    assert torch.equal(activation, found)
    recording = backbone.record(images, "blocks.3")
    assert torch.equal(recording.activation, found)
    swapped = backbone.rerun(recording, recording.activation.flip(0))
    torch.testing.assert_close(swapped, recording.logits.flip(0))
    torch.testing.assert_close(
        backbone.rerun(recording.of(0), activation.repeat(2, *[1] * (activation.ndim - 1)))[1::2],
        recording.logits[1:].repeat(2, 1),
    )


def test_patches_in_another_order_are_refused() -> None:
    """As Hiera's, whose tokens stand by mask unit."""
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    with pytest.raises(TTameError, match="found no feature maps by rule"):
        _backbone(Patches(order=order))
    with pytest.raises(TTameError, match=r"models\.patches\.layers: the layer 'blocks\.2' does not lay the image out"):
        _backbone(Patches(order=order), "blocks.2")


class TwoStages(nn.Module):
    """Maps on 8 x 12, then blocks on 4 x 6 tokens; a class token that asks, of both grids or of the finer alone."""

    def __init__(self, order: Tensor | None = None, deciding: bool = True) -> None:
        super().__init__()
        self.stages = nn.Sequential(nn.Conv2d(3, 3, 5, 4, 1), Halved(3))
        self.coarse = nn.Sequential(nn.Conv2d(3, 8, 2, 2), Rows(order), MLP(8), MLP(8))
        self.head, self.deciding = nn.Linear(3, 5), deciding
        self.of_tokens = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.stages(images)
        tokens = self.coarse(fine)
        logits = self.head(fine.mean((2, 3)))
        return logits + self.of_tokens(tokens).mean(1) if self.deciding else logits


class Halved(nn.Module):
    """A block that changes every position of a map by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.second(self.first(maps).relu())


class Rows(nn.Module):
    """(B, C, h, w) to (B, h w, C), row by row or in an order."""

    def __init__(self, order: Tensor | None) -> None:
        super().__init__()
        self.order = order

    def forward(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).mT
        return tokens if self.order is None else tokens[:, self.order]


def test_the_last_stage_is_read_or_nothing() -> None:
    """Where the last maps stand in another order, the rule does not go back to an earlier stage without a word."""
    assert _backbone(TwoStages()).layers == ("stages", "coarse.0")
    order = torch.randperm(24, generator=torch.Generator().manual_seed(1))
    with pytest.raises(
        TTameError,
        match=r"models\.patches: the rule finds maps up to 'coarse\.0', but 'coarse\.1' after it does not lay the "
        r"image out; name some in models\.patches\.layers",
    ):
        _backbone(TwoStages(order))
    named = _backbone(TwoStages(order), "stages.1", "coarse.0")
    assert named.layers == ("stages.1", "coarse.0")


def test_maps_that_decide_nothing_are_left_out() -> None:
    assert _backbone(TwoStages(deciding=False)).target_layer == "stages"


@pytest.mark.parametrize("layer", ["patch_embed", "patch_embed.0", "class_attention", "norm"])
def test_embedding_and_class_attention_are_refused(layer: str) -> None:
    with pytest.raises(
        TTameError, match=rf"'{layer}' .*where no map is to be read; layers that can be read are .*blocks\.3"
    ):
        _backbone(Patches(pooled=False), layer)


def test_nothing_is_read_behind_class_attention() -> None:
    backbone = _backbone(Patches(pooled=False))
    assert backbone.layers == BLOCKS
    assert [candidate.name for candidate in candidates(backbone.trunk)] == [
        *[f"blocks.{i}" for i in range(4)],
        "blocks",
    ]


@pytest.mark.parametrize("layer", ["head", "blocks.9"])
def test_other_layers_that_cannot_be_read(layer: str) -> None:
    said = r"gives \(B, 5\); expected" if layer == "head" else "no layer called 'blocks.9'"
    with pytest.raises(TTameError, match=said):
        _backbone(Patches(), layer)


def test_a_wrapper_hides_nothing() -> None:
    assert _backbone(Wrapper(Wrapper(Patches()))).layers == tuple(f"classifier.classifier.{name}" for name in BLOCKS)


def test_a_deep_network_whose_maps_are_constant_is_taken_as_its_shapes_say() -> None:
    """With random weights nothing of the image may be left; the check cannot be made, and the shape decides."""
    layers: list[nn.Module] = []
    for _ in range(2):
        convolution = nn.Conv2d(3, 3, 3, 2, 1)
        nn.init.constant_(convolution.weight, 1e-9)
        layers.append(convolution)
    backbone = _backbone(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)))
    assert backbone.layers == ("0", "1")


def test_layers_are_the_same_where_gradients_are_off() -> None:
    """As where `ttame plan` loads the auxiliary classifier of P-TAME."""
    preprocessing = Preprocessing((32, 32), 32, "bilinear", *IMAGENET)
    with torch.no_grad():
        found = Backbone("tiny", TinyCNN(), preprocessing).layers
    assert found == Backbone("tiny", TinyCNN(), preprocessing).layers
