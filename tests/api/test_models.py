from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ttame
from ttame.data.shapes import CLASS_NAMES

from .conftest import refused


def slow(value: str) -> pytest.ParameterSet:
    """A parameter whose test takes more than five seconds."""
    return pytest.param(value, marks=pytest.mark.slow)


@pytest.mark.parametrize("model", [*map(slow, ["resnet18", "resnet18.a1_in1k"]), "test_vit.r160_in1k"])
def test_number_of_classes_comes_from_the_weights(tmp_path, model) -> None:
    import timm
    import torchvision.models

    torchvision_has_it = model in torchvision.models.list_models()
    make = torchvision.models.get_model if torchvision_has_it else timm.create_model
    torch.manual_seed(0)
    trained = make(model, num_classes=7).eval()
    save_file(trained.state_dict(), tmp_path / "mine.safetensors")
    opened = ttame.open_model(model, weights=tmp_path / "mine.safetensors")
    assert opened.num_classes == 7
    assert opened.class_names is None
    image = torch.rand(1, 3, *opened.preprocessing.input_size)
    with torch.no_grad():
        torch.testing.assert_close(opened(image), trained(image), atol=1e-4, rtol=1e-4)


@pytest.fixture
def published(monkeypatch) -> None:
    """Weights that would be downloaded are random ones."""
    import timm
    import torchvision.models

    create, get = timm.create_model, torchvision.models.get_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained=False, **options: create(name, **options))
    monkeypatch.setattr(torchvision.models, "get_model", lambda name, weights=None, **options: get(name, **options))


@pytest.mark.parametrize("model", [slow("squeezenet1_1"), "test_vit.r160_in1k"])
def test_the_names_of_imagenet_are_those_of_its_weights(published, tmp_path, model) -> None:
    opened = ttame.open_model(model)
    assert opened.class_names is not None
    assert (len(opened.class_names), opened.class_names[0], opened.class_names[999]) == (1000, "tench", "toilet tissue")
    assert ttame.open_model(model, weights="none").class_names is None
    state = {name: tensor.contiguous() for name, tensor in opened.model.state_dict().items()}
    save_file(state, tmp_path / "mine.safetensors")
    assert ttame.open_model(model, weights=tmp_path / "mine.safetensors").class_names is None, (
        "1000 classes, but which?"
    )
    mine = [f"class {number}" for number in range(1000)]
    named = ttame.open_model(model, weights=tmp_path / "mine.safetensors", class_names=mine)
    assert named.class_names == tuple(mine)


@pytest.mark.slow
def test_a_thousand_outputs_are_not_imagenet(published) -> None:
    opened = ttame.open_model("resmlp_12_224.fb_dino", layers=["blocks"], target_layer="blocks")
    assert (opened.num_classes, opened.class_names) == (1000, None)


def test_the_names_of_the_embedded_data_are_those_of_its_weights() -> None:
    assert ttame.open_model("shapes_cnn").class_names == tuple(CLASS_NAMES)
    assert ttame.open_model("shapes_cnn", weights="none").class_names is None


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"model": "resnet5O"}, "model: unknown model 'resnet5O'.*'resnet50'"),
        ({"model": 5}, "model: 5 should be a valid string"),
        ({"weights": "mine.pt"}, r"weights: mine\.pt: no such file"),
        ({"weights": "text.safetensors"}, r"weights: text\.safetensors: not a state dict"),
        ({"layers": ["layr3"]}, "layers: no layer called 'layr3'; did you mean 'layer3'"),
        ({"layers": []}, "layers: .* at least 1 item"),
        ({"target_layer": "layr3"}, "target_layer: no layer called 'layr3'; did you mean 'layer3'"),
        ({"class_names": ["a"]}, "class_names: 1 names for 10 classes"),
        ({"model": nn.Linear(2, 2)}, "model: a Linear, where a name is expected; ttame.wrap takes a module"),
        ({"outputs": "probs"}, "outputs: 'probs' should be 'logits' or 'probabilities'"),
        ({"outputs": "probabilities"}, "outputs: probabilities, but the classifier gives rows that do not sum to 1"),
    ],
)
def test_a_mistake_is_said_of_its_argument(said, message, odd_files) -> None:
    refused(lambda: ttame.open_model(**({"model": "shapes_cnn"} | said)), message)
