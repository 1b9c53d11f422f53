from __future__ import annotations

import operator
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from ttame.backbones import shapes
from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings, Settings

HEAD = """
import torch
from torch import nn
class Net(nn.Module):
    pretrained_cfg = {"input_size": (3, 16, 16)}
    def __init__(self, end=lambda x: x, classes=3):
        super().__init__()
        self.conv, self.head, self.unused, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, classes), nn.Identity(), end
    def forward(self, x):
        return self.end(self.head(self.conv(x).mean((2, 3))))
"""

OUTPUT = """class Output:
    def __init__(self, logits): self.logits = logits
def build(): return Net(Output)"""
SIZED = """class Sized(Net):
    def forward(self, x):
        if len(x[0, 0]) != 32:
            raise ValueError("32 rows are expected")
        return super().forward(x)
build = Sized"""


@pytest.mark.parametrize(
    ("build", "said"),
    [
        ("def build(): raise KeyError('weights')", r"build\(\) raised KeyError at .*brought\.py:11: 'weights'"),
        ("def build(size): return Net()", r"build\(\) raised TypeError.*size"),
        ("def build(:", r"importing brought:build raised SyntaxError at .*brought\.py:11"),
        ("raise SystemExit(3)", r"importing brought:build raised SystemExit at .*brought\.py:11: 3"),
        ("def build(): return Net().double()", r"its forward on float32 images \(B, 3, 16, 16\) raised"),
        ("def build(): return Net(lambda x: x[:, :, None, None])", r"shape \(1, 3, 1, 1\), not logits"),
        ("def build(): return Net(lambda x: x.detach())", "carry no gradient"),
        (
            "def build(): return Net(lambda x: x.softmax(1))",
            r"probabilities.*set models\.mine\.outputs: probabilities$",
        ),
        ("def build(): return Net(lambda x: x * float('nan'))", "logits are not finite"),
        ("def build(): return Net(classes=1)", r"one logit x.*\[0, x\]"),
        ("def build(): return Net(lambda x: [x])", "returns a list, not logits"),
        ("def build(): return Net(lambda x: {'logits': x})", "returns a dict, not logits"),
        (OUTPUT, "returns a Output, not logits"),
        ("def build(): return Net().half()", r"its forward on float32 images \(B, 3, 16, 16\) raised"),
        (SIZED, r"\(B, 3, 16, 16\) raised ValueError at .*brought\.py:14: 32 rows are expected"),
        ("Net.pretrained_cfg = {'input_size': (16, 16)}\nbuild = Net", "its pretrained_cfg does not fit"),
        ("Net.pretrained_cfg = {'mean': (0.5,)}\nbuild = Net", "its pretrained_cfg does not fit"),
        ("Net.pretrained_cfg = {'std': (0, 1, 1)}\nbuild = Net", "its pretrained_cfg does not fit"),
    ],
)
def test_functions_that_give_no_classifier(build: str, said: str, tmp_path: Path, monkeypatch) -> None:
    _refused(build, said, tmp_path, monkeypatch)


@pytest.mark.parametrize(("layer", "said"), [("head", r"gives \(B, 3\)"), ("unused", "is not called")])
def test_target_layer_that_gives_no_map(layer: str, said: str, tmp_path: Path, monkeypatch) -> None:
    _refused("build = Net", rf"models\.mine\.target_layer: .*{said}", tmp_path, monkeypatch, layer)


@pytest.mark.parametrize("setting", ["layers", "target_layer"])
def test_layers_that_give_a_tuple(setting: str, tmp_path: Path, monkeypatch) -> None:
    pair = """class Pair(nn.Module):
    def forward(self, x): return x, x
class Two(Net):
    def __init__(self):
        super().__init__()
        self.pair = Pair()
    def forward(self, x): return self.head(self.pair(self.conv(x))[0].mean((2, 3)))
build = Two"""
    layers = {"layers": ["conv"], "target_layer": "conv"} | {setting: ["pair"] if setting == "layers" else "pair"}
    with pytest.raises(TTameError, match=rf"models\.mine\.{setting}: the layer 'pair' gives a tuple; expected"):
        _brought(pair, tmp_path, monkeypatch, **layers)


def test_an_error_of_ours_is_not_called_the_users(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ttame.backbones.backbone.read_token_layout", operator.index)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        _brought("build = Net", tmp_path, monkeypatch)


def test_an_installed_model_that_raises_is_the_users(tmp_path: Path, monkeypatch) -> None:
    source = "def build(): return nn.Sequential(nn.Conv2d(4, 4, 3))"
    with pytest.raises(TTameError, match=r"its forward on .* raised RuntimeError: Given groups=1"):
        _brought(source, tmp_path, monkeypatch)


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_code_of_an_installed_library_is_not_the_users(folder: str, tmp_path: Path, monkeypatch) -> None:
    """Debian and Colab install into dist-packages."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "library.py").write_text("def fail(): raise ValueError('inside')\n")
    monkeypatch.syspath_prepend(tmp_path / folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "library", raising=False)
    said = r"build\(\) raised ValueError at .*brought\.py:12: inside"
    _refused("import library\ndef build(): library.fail()", said, tmp_path, monkeypatch)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("folder", "is a folder; expected"),
        ("half", "not a state dict that loads safely"),
        ("empty", "the file is empty"),
        ("integers", r"is torch\.int32; expected floating-point"),
    ],
)
def test_broken_weights_files(fault: str, said: str, suffix: str, tmp_path: Path) -> None:
    path, state = tmp_path / f"w.{suffix}", shapes.shapes_cnn().state_dict()
    if fault == "integers":
        state = {key: tensor.to(torch.int32) for key, tensor in state.items()}
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    if fault in ("half", "empty"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if fault == "half" else 0])
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    with pytest.raises(TTameError, match=rf"models\.x\.weights: .*w\.{suffix}.*{said}") as caught:
        load_backbone("x", ModelSettings(model="shapes_cnn", weights=str(path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_prefixes_are_taken_off_safetensors_and_half_is_read(dtype: torch.dtype, tmp_path: Path) -> None:
    state = shapes.shapes_cnn().state_dict()
    save_file({f"module.{key}": tensor.to(dtype) for key, tensor in state.items()}, tmp_path / "w.safetensors")
    backbone = load_backbone("x", ModelSettings(model="shapes_cnn", weights=str(tmp_path / "w.safetensors")))
    assert next(backbone.parameters()).dtype == torch.float32


@pytest.mark.parametrize("name", ["a\n", "a.b", "a\nb", ""])
def test_names_of_classifiers_that_no_path_can_have(name: str) -> None:
    with pytest.raises(ValidationError, match=r"backbones\.0"):
        Settings.model_validate({"experiment": "e", "backbones": [name], "models": {name: {"model": "shapes_cnn"}}})


def _refused(build: str, said: str, folder: Path, monkeypatch, layer: str = "conv") -> None:
    (folder / "brought.py").write_text(HEAD + build + "\n")
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with pytest.raises(TTameError, match=said) as caught:
        load_backbone("mine", ModelSettings(model="brought:build", layers=["conv"], target_layer=layer))
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    assert str(caught.value).startswith("models.mine")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("around", ["model", "state_dict", "model_state_dict"])
def test_what_trainers_put_around_weights_is_taken_off(around: str, tmp_path: Path) -> None:
    state = shapes.shapes_cnn().state_dict()
    torch.save({around: {f"module._orig_mod.{key}": value for key, value in state.items()}}, tmp_path / "w.pth")
    backbone = load_backbone("x", ModelSettings(model="shapes_cnn", weights=str(tmp_path / "w.pth")))
    assert backbone.num_classes == 10


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    state = shapes.shapes_cnn().state_dict()
    state["head.0.bias"][0] = torch.nan
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(TTameError, match=r"models\.x\.weights: the tensor 'head\.0\.bias' is not finite"):
        load_backbone("x", ModelSettings(model="shapes_cnn", weights=str(tmp_path / "w.pth")))


def test_a_pickled_model_is_told_how_to_be_saved(tmp_path: Path) -> None:
    torch.save(shapes.shapes_cnn(), tmp_path / "w.pth")
    with pytest.raises(TTameError, match=r"whole model was pickled\? .*model\.state_dict\(\)"):
        load_backbone("x", ModelSettings(model="shapes_cnn", weights=str(tmp_path / "w.pth")))


def _brought(source: str, folder: Path, monkeypatch, **settings: Any) -> Backbone:
    (folder / "brought.py").write_text(HEAD + source + "\n")
    monkeypatch.chdir(folder)
    monkeypatch.delitem(sys.modules, "brought", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    torch.manual_seed(0)
    try:
        return load_backbone(
            "mine",
            ModelSettings.model_validate(
                {"model": "brought:build", "layers": ["conv"], "target_layer": "conv"} | settings
            ),
        )
    finally:
        monkeypatch.delitem(sys.modules, "brought", raising=False)


def test_probabilities_are_made_logits_wherever_they_are_computed(tmp_path: Path, monkeypatch) -> None:
    plain = _brought("build = Net", tmp_path, monkeypatch)
    softmax = "def build(): return Net(lambda x: x.softmax(1))"
    made = _brought(softmax, tmp_path, monkeypatch, outputs="probabilities")
    images = torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(made(images).softmax(1), plain(images).softmax(1))
    recording = made.record(images, "conv")
    torch.testing.assert_close(recording.logits, made(images))
    torch.testing.assert_close(made.rerun(recording, recording.activation), made(images))
    _, gradient = made.activation_and_gradient(images, torch.zeros(4, dtype=torch.long), "conv")
    assert gradient.abs().sum() > 0


def test_a_probability_of_zero_stays_finite(tmp_path: Path, monkeypatch) -> None:
    zero = "def build(): return Net(lambda x: (1000 * x).softmax(1))"
    made = _brought(zero, tmp_path, monkeypatch, outputs="probabilities")
    assert torch.isfinite(made(torch.randn(4, 3, 16, 16))).all()


def test_probabilities_stated_and_logits_given(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(TTameError, match=r"models\.mine\.outputs: .* do not sum to 1; set it to logits"):
        _brought("build = Net", tmp_path, monkeypatch, outputs="probabilities")
