"""P-TAME reads another classifier than the one that it explains."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import TrainedMechanism, chosen_layers, load_checkpoint, make_network, save_checkpoint
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.backbones.shapes import WEIGHTS
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer
from ttame.params.attention import LossSettings
from ttame.params.auxiliary import AuxiliarySettings

from ..conftest import TinyCNN
from .recipe import RECIPE

LOSS = LossSettings(cross_entropy=0.1313, area=0.8386, variation=0.001, area_power=0.5)
ADAMW = RECIPE.model_copy(update={"optimiser": "AdamW", "amsgrad": True, "weight_decay": 0.1})


def _settings(model: str, weights: str = "default", layers: Any = "auto") -> AuxiliarySettings:
    return AuxiliarySettings(name=model, model=model, weights=weights, layers=layers)


def _training(backbone: Backbone, auxiliary: Auxiliary, steps: int = 10) -> AttentionTraining:
    torch.manual_seed(1)
    layers = auxiliary.classifier.layers
    network = make_network(backbone, "ptame", layers, auxiliary).train()
    return AttentionTraining(backbone, network, layers, LOSS, ADAMW, 0.01, steps, auxiliary=auxiliary)


def _features(images: Tensor, auxiliary: Auxiliary) -> list[Tensor]:
    """What the embedded auxiliary classifier gives, called part by part on images of 64 pixels."""
    model: Any = auxiliary.classifier.model
    maps = model.stem((functional.interpolate(images, (64, 64), mode="bilinear") - 0.5) / 0.25)
    found = []
    for stage in (model.layer1, model.layer2, model.layer3):
        maps = stage(maps)
        found.append(maps)
    return found


class PlainLoop:
    """P-TAME's training written down once more: the mechanism, the loss, AdamW with amsgrad and its cycle."""

    def __init__(self, network: nn.Module) -> None:
        self.network: Any = network
        self.parameters = dict(network.named_parameters())
        self.state = {name: [torch.zeros_like(p) for _ in range(3)] for name, p in self.parameters.items()}
        self.steps = 0

    def losses(self, images: Tensor, backbone: Backbone, auxiliary: Auxiliary) -> list[Tensor]:
        mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in ((0.2, 0.5, 0.6), (0.3, 0.4, 0.2)))
        labels = backbone.model((images - mean) / std).argmax(1)
        branches = []
        for feature, conv, norm in zip(_features(images, auxiliary), self.network.convs, self.network.bns, strict=True):
            branch = functional.relu(norm(conv(feature)) + feature)
            while branch.shape[2] < 32:
                branch = functional.interpolate(branch, scale_factor=2, mode="bilinear", align_corners=False)
            branches.append(branch)
        masks = self.network.fuser(torch.cat(branches, 1)).sigmoid()[:, labels]
        own = torch.stack([masks[index, index] for index in range(len(images))])[:, None]
        own = functional.interpolate(own, images.shape[2:], mode="bilinear", align_corners=False)
        logits = backbone.model((own * images - mean) / std)
        chosen = -logits.log_softmax(1)[torch.arange(len(images)), labels]
        rough = (masks[:, :, 1:] - masks[:, :, :-1]).square().sum() + (masks[..., 1:] - masks[..., :-1]).square().sum()
        borders = (masks[:, :, 0], masks[:, :, -1], masks[..., 0], masks[..., -1])
        rough = rough + 0.3 * sum(border.square().sum() for border in borders)
        area = (masks + 0.0005).sqrt().mean()
        return [0.1313 * chosen.mean(), 0.8386 * area, 0.001 * rough / (2 * len(images))]

    def step(self, images: Tensor, backbone: Backbone, auxiliary: Auxiliary, cycle: tuple[float, float]) -> float:
        loss = torch.stack(self.losses(images, backbone, auxiliary)).sum()
        gradients = torch.autograd.grad(loss, list(self.parameters.values()))
        self.steps += 1
        rate, beta = cycle
        with torch.no_grad():
            for (name, parameter), gradient in zip(self.parameters.items(), gradients, strict=True):
                first, second, largest = self.state[name]
                decay = 0.0 if name.endswith("bias") else 0.1
                parameter.mul_(1 - rate * decay)
                first += (1 - beta) * (gradient - first)
                second += 0.001 * (gradient.square() - second)
                torch.maximum(largest, second, out=largest)
                size = largest.sqrt() / math.sqrt(1 - 0.999**self.steps) + 1e-8
                parameter.sub_(rate / (1 - beta**self.steps) * first / size)
        return loss.item()


def test_steps_are_those_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    preprocessing = Preprocessing((32, 32), 32, "bilinear", (0.2, 0.5, 0.6), (0.3, 0.4, 0.2))
    backbone = Backbone("tiny", TinyCNN(), preprocessing)
    auxiliary = Auxiliary(_settings("shapes_cnn"), backbone)
    training = _training(backbone, auxiliary)
    plain = PlainLoop(copy.deepcopy(training.network).double())
    for module in (backbone, auxiliary.classifier, training.network):
        module.double()
    generator = torch.Generator().manual_seed(3)
    for _ in range(4):
        images = torch.rand(4, 3, 32, 32, generator=generator, dtype=torch.float64)
        group = training.optimiser.param_groups[0]
        cycle = (group["lr"], group["betas"][0])
        expected = plain.step(images, backbone, auxiliary, cycle)
        assert training.step(images).loss.total.item() == pytest.approx(expected, rel=1e-9)
    for name, tensor in plain.network.state_dict().items():
        torch.testing.assert_close(training.network.state_dict()[name], tensor, atol=1e-9, rtol=1e-7)


@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
def test_the_explained_classifier_is_asked_for_logits_alone(name, tiny_cnn, tmp_path, monkeypatch) -> None:
    auxiliary = Auxiliary(_settings(name), tiny_cnn)
    training = _training(tiny_cnn, auxiliary)
    before = {key: tensor.clone() for key, tensor in tiny_cnn.state_dict().items()}
    path = _checkpoint(tmp_path, tiny_cnn, auxiliary)
    explainer = make_explainer("ptame", tiny_cnn, None, path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a hook on the explained classifier")

    for module in tiny_cnn.model.modules():
        for kind in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
            monkeypatch.setattr(module, kind, refuse)
    images = torch.rand(4, 3, 32, 32)
    for _ in range(3):
        training.step(images)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    monkeypatch.setattr(tiny_cnn.model, "forward", count)
    maps = explainer(tiny_cnn.normalise(images), torch.tensor([0, 1, 2, 3]))
    assert calls == 0, "a map needs no run of it"
    assert maps.isfinite().all()
    assert all(torch.equal(tensor, before[key]) for key, tensor in tiny_cnn.state_dict().items())


def _checkpoint(folder: Path, backbone: Backbone, auxiliary: Auxiliary) -> Path:
    torch.manual_seed(4)
    layers = chosen_layers(auxiliary.classifier, "all")
    network = make_network(backbone, "ptame", layers, auxiliary)
    path = folder / "ptame.safetensors"
    trained = TrainedMechanism(network, layers, torch.arange(backbone.num_classes), auxiliary)
    save_checkpoint(path, trained, backbone, "ptame")
    return path


def test_both_classifiers_see_the_same_image_each_in_its_own_way(tiny_cnn, tmp_path) -> None:
    auxiliary = Auxiliary(_settings("shapes_cnn"), tiny_cnn)
    trained = load_checkpoint(_checkpoint(tmp_path, tiny_cnn, auxiliary), tiny_cnn, "ptame")
    images, targets = torch.rand(3, 3, 32, 32), torch.tensor([4, 0, 2])
    expected = trained.network(_features(images, auxiliary), targets[:, None])[:, 0]
    maps = make_explainer("ptame", tiny_cnn, None, tmp_path / "ptame.safetensors")(tiny_cnn.normalise(images), targets)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-5)


def test_a_larger_image_is_averaged_and_not_sampled(tiny_cnn) -> None:
    """Lines of one pixel in four are a quarter of their brightness at a quarter of the size."""
    auxiliary = Auxiliary(_settings("shapes_cnn"), tiny_cnn)
    lines = (torch.arange(256) % 4 == 0).float().expand(1, 3, 256, 256)
    even = torch.full((1, 3, 256, 256), 0.25)
    found, expected = (auxiliary.features(images, ["layer1"])[0][..., 5:-5, 5:-5] for images in (lines, even))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_map_costs_a_pass_of_the_auxiliary_classifier(tiny_cnn, tmp_path) -> None:
    path = _checkpoint(tmp_path, tiny_cnn, Auxiliary(_settings("shapes_vit"), tiny_cnn))
    explainer = make_explainer("ptame", tiny_cnn, None, path)
    tiny_cnn.passes.forward = tiny_cnn.passes.backward = 0
    explainer(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3]))
    assert (tiny_cnn.passes.forward, tiny_cnn.passes.backward) == (4, 0)


def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(tiny_cnn, tmp_path) -> None:
    images = torch.rand(4, 4, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    unbroken, killed, resumed = (
        _training(tiny_cnn, Auxiliary(_settings("shapes_cnn", "none"), tiny_cnn)) for _ in range(3)
    )
    for batch in images:
        unbroken.step(batch)
    for batch in images[:2]:
        killed.step(batch)
    killed.save(tmp_path / "state.pt")
    torch.rand(7)  # the state of the generator plays no part
    resumed.resume(tmp_path / "state.pt")
    for batch in images[2:]:
        resumed.step(batch)
    for name, tensor in unbroken.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name


def test_the_published_layers_of_resnet18_are_all_four(tiny_cnn) -> None:
    auxiliary = Auxiliary(_settings("resnet18", "none"), tiny_cnn)
    assert auxiliary.classifier.layers == ("layer1", "layer2", "layer3", "layer4")
    network = make_network(tiny_cnn, "ptame", auxiliary.classifier.layers, auxiliary)
    maps = network(auxiliary.features(torch.rand(1, 3, 32, 32), auxiliary.classifier.layers))
    assert maps.shape == (1, 5, 56, 56)


def test_another_auxiliary_than_that_of_the_training_is_refused(tiny_cnn, tmp_path) -> None:
    weights = tmp_path / "weights.safetensors"
    state = load_file(WEIGHTS / "shapes_cnn.safetensors")
    save_file(state, weights)
    settings = _settings("shapes_cnn", str(weights))
    path = _checkpoint(tmp_path, tiny_cnn, Auxiliary(settings, tiny_cnn))
    assert make_explainer("ptame", tiny_cnn, None, path, settings) is not None
    with pytest.raises(TTameError, match=r"trained with the auxiliary classifier shapes_cnn .*says shapes_vit .*again"):
        make_explainer("ptame", tiny_cnn, None, path, _settings("shapes_vit"))
    with pytest.raises(TTameError, match=r"trained for layers .*'layer3'\], but params\.yaml says \['layer2'\]"):
        make_explainer("ptame", tiny_cnn, None, path, settings.model_copy(update={"layers": ["layer2"]}))
    with pytest.raises(TTameError, match=r"trained for design ptame, but params\.yaml says ttame"):
        make_explainer("ttame", tiny_cnn, None, path)
    save_file({name: tensor * 1.001 for name, tensor in state.items()}, weights)
    with pytest.raises(TTameError, match="with other weights of the auxiliary classifier shapes_cnn"):
        make_explainer("ptame", tiny_cnn, None, path)
    weights.unlink()
    with pytest.raises(TTameError, match=r"ptame\.safetensors: mechanism\.auxiliary.*weights\.safetensors: no such"):
        make_explainer("ptame", tiny_cnn, None, path)


def test_bad_auxiliaries_are_one_line(tiny_cnn, tmp_path, monkeypatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    cases = [
        (_settings("resnt18"), "mechanism.auxiliary, on tiny_cnn: .*unknown model 'resnt18'; did you mean 'resnet18'"),
        (_settings("shapes_cnn", layers=["layer9"]), "mechanism.auxiliary, on tiny_cnn: .*'layer9'.*did you mean"),
        (_settings("resnet18"), "could not be downloaded .no network.*put them at .*resnet18-"),
        (_settings("shapes_cnn", "nowhere.pt"), "nowhere.pt: no such file"),
    ]
    for settings, message in cases:
        with pytest.raises(TTameError, match=message) as caught:
            Auxiliary(settings, tiny_cnn)
        assert "\n" not in str(caught.value)


def test_layers_that_no_doubling_joins_are_named(tiny_cnn) -> None:
    auxiliary = Auxiliary(_settings("squeezenet1_1", "none"), tiny_cnn)
    layers = auxiliary.classifier.layers
    message = rf"squeezenet1_1: {layers[1]} of \d+ x \d+ is not brought to \d+ x \d+ by doubling, as {layers[0]} has it"
    with pytest.raises(TTameError, match=message) as caught:
        make_network(tiny_cnn, "ptame", layers, auxiliary)
    assert "\n" not in str(caught.value)
    make_network(tiny_cnn, "ptame", layers[-1:], auxiliary)
