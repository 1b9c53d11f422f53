"""P-TAME reads another classifier than the one that it explains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ttame.attention.auxiliary import Auxiliary
from ttame.attention.checkpoint import TrainedMechanism, chosen_layers, load_checkpoint, make_network, save_checkpoint
from ttame.backbones.backbone import Backbone
from ttame.backbones.shapes import WEIGHTS
from ttame.errors import TTameError
from ttame.explainers.explainer import make_explainer

from .recipe import auxiliary_features, auxiliary_settings, ptame_training


@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
def test_the_explained_classifier_is_asked_for_logits_alone(name, tiny_cnn, tmp_path, monkeypatch) -> None:
    auxiliary = Auxiliary(auxiliary_settings(name), tiny_cnn)
    training = ptame_training(tiny_cnn, auxiliary)
    before = {key: tensor.clone() for key, tensor in tiny_cnn.state_dict().items()}
    path = _checkpoint(tmp_path, tiny_cnn, auxiliary)
    explainer = make_explainer("ptame", tiny_cnn, None, path)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a hook on the explained classifier")

    for module in tiny_cnn.model.modules():
        for kind in ("register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook"):
            monkeypatch.setattr(module, kind, refuse)
    images = torch.rand(4, 3, 32, 32)
    with pytest.raises(AssertionError, match="a hook on the explained"):
        tiny_cnn.features(images, tiny_cnn.layers)  # as every other mechanism reads it
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
    auxiliary = Auxiliary(auxiliary_settings("shapes_cnn"), tiny_cnn)
    trained = load_checkpoint(_checkpoint(tmp_path, tiny_cnn, auxiliary), tiny_cnn, "ptame")
    images, targets = torch.rand(3, 3, 32, 32), torch.tensor([4, 0, 2])
    expected = trained.network(auxiliary_features(images, auxiliary), targets[:, None])[:, 0]
    maps = make_explainer("ptame", tiny_cnn, None, tmp_path / "ptame.safetensors")(tiny_cnn.normalise(images), targets)
    torch.testing.assert_close(maps, expected, atol=1e-5, rtol=1e-5)


def test_a_larger_image_is_averaged_and_not_sampled(tiny_cnn) -> None:
    """Lines of one pixel in four are a quarter of their brightness at a quarter of the size."""
    auxiliary = Auxiliary(auxiliary_settings("shapes_cnn"), tiny_cnn)
    lines = (torch.arange(256) % 4 == 0).float().expand(1, 3, 256, 256)
    even = torch.full((1, 3, 256, 256), 0.25)
    found, expected = (auxiliary.features(images, ["layer1"])[0][..., 5:-5, 5:-5] for images in (lines, even))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_map_costs_a_pass_of_the_auxiliary_classifier(tiny_cnn, tmp_path) -> None:
    path = _checkpoint(tmp_path, tiny_cnn, Auxiliary(auxiliary_settings("shapes_vit"), tiny_cnn))
    explainer = make_explainer("ptame", tiny_cnn, None, path)
    tiny_cnn.passes.forward = tiny_cnn.passes.backward = 0
    explainer(torch.randn(4, 3, 32, 32), torch.tensor([0, 1, 2, 3]))
    assert (tiny_cnn.passes.forward, tiny_cnn.passes.backward) == (4, 0)


def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(tiny_cnn, tmp_path) -> None:
    images = torch.rand(4, 4, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    unbroken, killed, resumed = (
        ptame_training(tiny_cnn, Auxiliary(auxiliary_settings("shapes_cnn", "none"), tiny_cnn)) for _ in range(3)
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
    auxiliary = Auxiliary(auxiliary_settings("resnet18", "none"), tiny_cnn)
    assert auxiliary.classifier.layers == ("layer1", "layer2", "layer3", "layer4")
    network = make_network(tiny_cnn, "ptame", auxiliary.classifier.layers, auxiliary)
    maps = network(auxiliary.features(torch.rand(1, 3, 32, 32), auxiliary.classifier.layers))
    assert maps.shape == (1, 5, 56, 56)


def test_another_auxiliary_than_that_of_the_training_is_refused(tiny_cnn, tmp_path) -> None:
    weights = tmp_path / "weights.safetensors"
    state = load_file(WEIGHTS / "shapes_cnn.safetensors")
    save_file(state, weights)
    settings = auxiliary_settings("shapes_cnn", str(weights))
    path = _checkpoint(tmp_path, tiny_cnn, Auxiliary(settings, tiny_cnn))
    assert make_explainer("ptame", tiny_cnn, None, path, settings) is not None
    with pytest.raises(TTameError, match=r"trained with the auxiliary classifier shapes_cnn .*says shapes_vit .*again"):
        make_explainer("ptame", tiny_cnn, None, path, auxiliary_settings("shapes_vit"))
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
        (
            auxiliary_settings("resnt18"),
            "mechanism.auxiliary, on tiny_cnn: .*unknown model 'resnt18'; did you mean 'resnet18'",
        ),
        (
            auxiliary_settings("shapes_cnn", layers=["layer9"]),
            "mechanism.auxiliary, on tiny_cnn: .*'layer9'.*did you mean",
        ),
        (auxiliary_settings("resnet18"), "could not be downloaded .no network.*put them at .*resnet18-"),
        (auxiliary_settings("shapes_cnn", "nowhere.pt"), "nowhere.pt: no such file"),
    ]
    for settings, message in cases:
        with pytest.raises(TTameError, match=message) as caught:
            Auxiliary(settings, tiny_cnn)
        assert "\n" not in str(caught.value)


def test_layers_that_no_doubling_joins_are_named(tiny_cnn) -> None:
    auxiliary = Auxiliary(auxiliary_settings("squeezenet1_1", "none"), tiny_cnn)
    layers = auxiliary.classifier.layers
    message = rf"squeezenet1_1: {layers[1]} of \d+ x \d+ is not brought to \d+ x \d+ by doubling, as {layers[0]} has it"
    with pytest.raises(TTameError, match=message) as caught:
        make_network(tiny_cnn, "ptame", layers, auxiliary)
    assert "\n" not in str(caught.value)
    make_network(tiny_cnn, "ptame", layers[-1:], auxiliary)


@pytest.mark.parametrize("stated", [None, 3, {}, {"name": "a"}, "code"])
def test_what_a_checkpoint_says_runs_no_code_and_ends_in_a_line(tiny_cnn, tmp_path, monkeypatch, stated) -> None:
    auxiliary = Auxiliary(auxiliary_settings("shapes_cnn"), tiny_cnn)
    monkeypatch.chdir(tmp_path)
    Path("wicked.py").write_text("open('executed', 'w')")
    said = auxiliary.stated() | {"model": "wicked:build"} if stated == "code" else stated
    monkeypatch.setattr(Auxiliary, "stated", lambda _: said)
    message = "its auxiliary classifier is code" if stated == "code" else "says nothing whole of its auxiliary"
    with pytest.raises(TTameError, match=rf"ptame\.safetensors: {message}") as caught:
        make_explainer("ptame", tiny_cnn, None, _checkpoint(tmp_path, tiny_cnn, auxiliary))
    assert "\n" not in str(caught.value)
    assert not Path("executed").exists()


def test_half_precision_reads_what_single_precision_trained_and_leaves_it_whole(tiny_cnn, tmp_path) -> None:
    auxiliary = Auxiliary(auxiliary_settings("shapes_cnn"), tiny_cnn)
    path = _checkpoint(tmp_path, tiny_cnn, auxiliary)
    before = {name: tensor.clone() for name, tensor in auxiliary.classifier.state_dict().items()}
    moved = auxiliary.copied()
    moved.classifier.bfloat16()
    assert moved.stated() == auxiliary.stated()
    assert moved.classifier.passes is tiny_cnn.passes
    assert all(torch.equal(tensor, before[name]) for name, tensor in auxiliary.classifier.state_dict().items())
    explainer = make_explainer("ptame", tiny_cnn.bfloat16(), None, path)
    assert explainer(torch.rand(1, 3, 32, 32).bfloat16(), torch.tensor([1])).isfinite().all()
