from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ttame import load_images
from ttame.backbones import shapes
from ttame.backbones.loading import load_backbone
from ttame.data.shapes import render
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings


def _settings(model: str, weights: str = "none") -> ModelSettings:
    return ModelSettings(model=model, weights=weights)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes_cnn", "shapes_vit"])
def test_embedded_classifiers_are_right_on_held_out_images(name: str) -> None:
    backbone = load_backbone(name, _settings(name, "default"))
    images = [render(77, index) for index in range(500)]
    pixels = torch.stack([torch.from_numpy(image.pixels).permute(2, 0, 1) for image in images])
    with torch.no_grad():
        predicted = backbone(backbone.normalise(to_unit_range(pixels))).argmax(1)
    hits = (predicted == torch.tensor([image.label for image in images])).double().mean()
    assert hits > 0.97


def test_unknown_model_names_near_ones() -> None:
    with pytest.raises(TTameError, match=r"unknown model 'resnet5O'.*'resnet50'"):
        load_backbone("x", _settings("resnet5O"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(3)
    model = shapes.shapes_cnn().eval()
    state = model.state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(load_backbone("x", _settings("shapes_cnn", str(path)))(images), model(images))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = shapes.shapes_cnn().state_dict()
    state["head.2.weight"] = torch.zeros(3, 64)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(TTameError, match=r"1 of its tensors do not fit the model, 'head\.2\.weight'"):
        load_backbone("x", _settings("shapes_cnn", str(tmp_path / "other.safetensors")))


def test_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path(tmp_path / "executed"),)  # type: ignore[return-value]

    torch.save({"state_dict": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(TTameError, match="not a state dict that loads safely"):
        load_backbone("x", _settings("shapes_cnn", str(tmp_path / "bad.pth")))
    assert not (tmp_path / "executed").exists()


def test_missing_weights_say_where_to_put_them(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(TTameError, match="no such file"):
        load_backbone("x", _settings("shapes_cnn", str(tmp_path / "missing.pth")))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", offline)
    with pytest.raises(TTameError, match=r"put them at .*checkpoints/resnet18-\w+\.pth") as caught:
        load_backbone("x", _settings("resnet18", "default"))
    assert "\n" not in str(caught.value)


def test_model_of_the_users(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "my_models.py").write_text(
        "from ttame.backbones.shapes import shapes_cnn as build\ndef wrong():\n    return 1\n"
    )
    monkeypatch.chdir(tmp_path)
    backbone = load_backbone("mine", _settings("my_models:build"))
    assert backbone.num_classes == 10
    assert backbone.preprocessing.input_size == (224, 224)
    with pytest.raises(TTameError, match=r"returned a int; expected a torch\.nn\.Module"):
        load_backbone("mine", _settings("my_models:wrong"))
    with pytest.raises(TTameError, match="cannot import"):
        load_backbone("mine", _settings("my_models:missing"))


def test_imagenet_classes_of_timm_have_names(lite0, photos) -> None:
    """Of 20 photographs named after their class, the classifier gives at least three in four that very name."""
    assert lite0.class_names is not None
    files = sorted((photos / "imagenet_eval").iterdir())[::20]
    images = load_images(files, lite0)
    with torch.no_grad():
        found = [lite0.class_names[index] for index in lite0(images).argmax(1).tolist()]
    right = [name.lower().replace(" ", "_") in file.stem.lower() for name, file in zip(found, files, strict=True)]
    assert sum(right) >= 0.75 * len(files), list(zip(found, files, strict=True))
