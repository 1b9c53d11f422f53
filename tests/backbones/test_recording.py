from __future__ import annotations

import pytest
import torch
import torchvision.models
from torch import Tensor, nn

from ttame.backbones.backbone import Backbone
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError

from ..conftest import IMAGENET


def _timm_vit() -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=2, num_classes=5)


def _torchvision_vit() -> nn.Module:
    model = torchvision.models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=5)
    nn.init.normal_(model.heads.head.weight)  # torchvision starts with zeros, and then nothing depends on anything
    return model


def _small_vgg() -> nn.Module:
    """As torchvision's VGG: every convolution is followed by a ReLU that overwrites its output."""
    layers: list[nn.Module] = []
    for width_in, width in ((3, 8), (8, 12), (12, 16)):
        layers += [nn.Conv2d(width_in, width, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 5))


class SharedReLU(nn.Module):
    """One in-place ReLU called three times, twice before the target layer and once after."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(width, 8, 3, 2, 1) for width in (3, 8, 8))
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.relu(self.first(images))
        side = self.relu(self.second(maps) - 0.1)
        return self.head(self.relu(self.third(side) + 0.05).mean((2, 3)) + maps.mean((2, 3)))


class SharedInBlocks(nn.Module):
    """One ReLU for all blocks: that of the last one is not the first call of it."""

    class Block(nn.Module):
        def __init__(self, act: nn.Module) -> None:
            super().__init__()
            self.conv1, self.conv2, self.act = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1), act

        def forward(self, maps: Tensor) -> Tensor:
            inner = self.act(self.conv1(maps))
            return self.act(self.conv2(inner) + inner)

    def __init__(self) -> None:
        super().__init__()
        act = nn.ReLU()
        self.stem, self.b1, self.b2 = nn.Conv2d(3, 8, 3, 2, 1), self.Block(act), self.Block(act)
        self.head = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.b2(self.b1(self.stem(images))).mean((2, 3)))


CASES = {
    "resnet_middle": (lambda: torchvision.models.resnet18(num_classes=5), "layer3.0.bn1"),
    "resnet_block": (lambda: torchvision.models.resnet18(num_classes=5), "layer3.1"),
    "vgg_in_place": (_small_vgg, "3"),
    "timm_norm": (_timm_vit, "blocks.1.norm1"),
    "timm_hidden": (_timm_vit, "blocks.2.mlp.fc1"),
    "torchvision_norm": (_torchvision_vit, "encoder.layers.encoder_layer_1.ln_1"),
    "shared_relu": (SharedReLU, "third"),
    "shared_in_blocks": (SharedInBlocks, "b2.conv2"),
}


@pytest.fixture(params=CASES)
def case(request) -> tuple[Backbone, str]:
    make, layer = CASES[request.param]
    torch.manual_seed(0)
    return Backbone(request.param, make(), Preprocessing((32, 32), 32, "bilinear", *IMAGENET), [layer], layer), layer


def _full_forward(backbone: Backbone, images: Tensor, layer: str, activation: Tensor) -> Tensor:
    """The slow way: the whole network, with the layer's output replaced by a hook."""
    hook = backbone.model.get_submodule(layer).register_forward_hook(lambda *_: activation.clone())
    try:
        logits: Tensor = backbone.model(images)
    finally:
        hook.remove()
    return logits


def test_rerun_gives_what_the_full_forward_gives(case) -> None:
    backbone, layer = case
    images = torch.randn(3, 3, 32, 32)
    recording = backbone.record(images, layer)
    torch.testing.assert_close(recording.logits, backbone.model(images))
    for _ in range(2):  # the second time finds nothing that the first one changed
        replaced = torch.randn_like(recording.activation)
        expected = _full_forward(backbone, images, layer, replaced)
        torch.testing.assert_close(recording.rerun(replaced.clone()), expected, atol=1e-5, rtol=1e-5)
    assert (expected - recording.logits).abs().max() > 1e-3


def test_one_recorded_image_takes_any_number_of_activations(case) -> None:
    backbone, layer = case
    images = torch.randn(3, 3, 32, 32)
    alone = backbone.record(images, layer).of(1)
    replaced = torch.randn(5, *alone.activation.shape[1:])
    expected = _full_forward(backbone, images[1:2].expand(5, -1, -1, -1), layer, replaced)
    torch.testing.assert_close(alone.rerun(replaced.clone()), expected, atol=1e-5, rtol=1e-5)
    again = alone.activation.clone()
    torch.testing.assert_close(alone.rerun(again), alone.logits, atol=1e-5, rtol=1e-5)


def test_gradient_reaches_the_activation(case) -> None:
    backbone, layer = case
    images, targets = torch.randn(2, 3, 32, 32), torch.tensor([1, 4])
    activation, expected = backbone.activation_and_gradient(images, targets, layer)
    leaf = activation.clone().requires_grad_()
    logits = backbone.rerun(backbone.record(images, layer), leaf.clone())
    (gradient,) = torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), leaf)
    torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-4)


def test_what_comes_before_the_layer_does_not_run(case, monkeypatch) -> None:
    backbone, layer = case
    names = {module: name for name, module in backbone.model.named_modules()}
    ran: list[str] = []
    for kind in (nn.Conv2d, nn.Linear):

        def counted(module: nn.Module, inputs: Tensor, original=kind.forward) -> Tensor:
            ran.append(names[module])
            return original(module, inputs)

        monkeypatch.setattr(kind, "forward", counted)
    recording = backbone.record(torch.randn(1, 3, 32, 32), layer)
    ran.clear()
    backbone.model(recording.images)
    everything = ran.copy()
    ran.clear()
    recording.rerun(recording.activation.clone())
    before = everything.index(layer) + 1 if layer in everything else len(everything) - len(ran)
    assert ran == everything[before:]
    assert 0 < len(ran) < len(everything)


def test_nothing_stays_behind_when_the_network_raises(tiny_cnn) -> None:
    recording = tiny_cnn.record(torch.randn(1, 3, 32, 32), "stage1")
    with pytest.raises(RuntimeError):
        recording.rerun(torch.randn(1, 12, 0, 0))
    assert all("forward" not in module.__dict__ for module in tiny_cnn.model.modules())
    assert all(not module._forward_hooks for module in tiny_cnn.model.modules())


def test_layer_that_cannot_be_replaced_is_named(tiny_vit) -> None:
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 24, 48, num_classes=5)
    layer = "encoder.layers.encoder_layer_1.self_attention"
    backbone = Backbone("vit", model, Preprocessing((32, 32), 32, "bilinear", *IMAGENET))
    with pytest.raises(
        TTameError, match=r"encoder_layer_1\.self_attention' gives tuple; expected a layer whose output"
    ):
        backbone.record(torch.randn(1, 3, 32, 32), layer)
    tiny_vit.model.unused = nn.Identity()
    with pytest.raises(TTameError, match="gives nothing, since the forward pass does not use it"):
        tiny_vit.record(torch.randn(1, 3, 32, 48), "unused")
    recording = tiny_vit.record(torch.randn(3, 3, 32, 48), "blocks.1.norm1")
    with pytest.raises(ValueError, match="2 activations for 3 recorded images"):
        recording.rerun(recording.activation[:2])
