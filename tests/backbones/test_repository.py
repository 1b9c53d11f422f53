"""Folders and names of Hugging Face that hold no model: one line each."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ttame import open_model
from ttame.errors import TTameError

from ..tiny_models import SIZE, save_classifier, save_processor


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("hugging_face") / "vit"
    save_classifier(folder)
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    """One that a test may break."""
    return Path(shutil.copytree(saved, tmp_path / "vit"))


def _change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _without_classifier(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["classifier.weight"]
    save_file(state, folder / "model.safetensors", {"format": "pt"})


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _own_code(folder: Path) -> None:
    (folder / "mine.py").write_text("import pathlib\npathlib.Path('executed').touch()\n")
    _change(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})


def _not_a_number(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["classifier.bias"][0] = float("nan")
    save_file(state, folder / "model.safetensors", {"format": "pt"})


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "cannot be read .*model_type"),
    "broken config": (lambda folder: (folder / "config.json").write_text("{"), "cannot be read .*not a valid JSON"),
    "unknown": (lambda folder: _change(folder / "config.json", model_type="nothing"), "cannot be read .*nothing"),
    "own code": (_own_code, "cannot be read .*code of its own, which is not run"),
    "no processor": (lambda folder: (folder / "preprocessor_config.json").unlink(), "cannot be read .*image processor"),
    "broken processor": (lambda folder: (folder / "preprocessor_config.json").write_text("?"), "cannot be read"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), r"cannot be read .*model\.safetensors"),
    "broken weights": (lambda folder: (folder / "model.safetensors").write_text("x"), "cannot be read .*header"),
    "pickle": (_pickled, r"holds pytorch_model\.bin, a pickle file.*convert it.*AutoModelForImageClassification as M"),
    "no classifier": (_without_classifier, r"1 tensors .*are missing or do not fit, 'classifier\.weight'"),
    "other widths": (lambda folder: _change(folder / "config.json", hidden_size=16), "are missing or do not fit"),
    "other size": (lambda folder: _change(folder / "config.json", image_size=48), "(missing or do not fit|fails on)"),
    "other crop": (
        lambda folder: _change(folder / "preprocessor_config.json", size={"height": 40, "width": 40}),
        "fails on images of 40 x 40 pixels, as its image processor makes them",
    ),
    "no resize": (
        lambda folder: _change(folder / "preprocessor_config.json", do_resize=False),
        "ViTImageProcessorPil cannot be followed, the size that it gives depends on the image",
    ),
    "nan": (_not_a_number, r"'model\.classifier\.bias' is not finite"),
    "one class": (lambda folder: save_classifier(folder, classes=1), "gives one logit"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_folder_that_is_none_is_one_line(fault: str, copied: Path, monkeypatch) -> None:
    change, said = BROKEN[fault]
    monkeypatch.chdir(copied.parent)
    change(copied)
    with pytest.raises(TTameError, match=f"^model: .*{said}") as caught:
        open_model(f"hf:{copied}", name="mine")
    assert "\n" not in str(caught.value)
    assert not (copied.parent / "executed").exists()


@pytest.mark.parametrize(
    ("model", "weights", "head", "said"),
    [
        ("hf:google/vit-nowhere", "default", None, "no such folder, and nothing of that name could be downloaded"),
        ("hf:", "default", None, "no such folder, and nothing of that name"),
        ("hf:./nowhere", "default", None, r"\./nowhere: no such folder; expected one"),
        ("hf:vit", "nowhere.safetensors", None, "no such file"),
        ("hf:vit", "other.safetensors", None, "do not fit the model"),
        ("hf:vit", "default", "head.safetensors", "has a head of its own; expected null"),
        ("hf:bert", "default", None, "Unrecognized configuration class|image processor"),
    ],
)
def test_what_does_not_fit_together_is_one_line(model, weights, head, said, copied: Path, monkeypatch) -> None:
    from huggingface_hub import constants
    from transformers import BertConfig

    monkeypatch.chdir(copied.parent)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=30).save_pretrained("bert")
    save_processor(Path("bert"), "ViTImageProcessor", size={"height": SIZE, "width": SIZE})
    save_file({"a": torch.zeros(2)}, "other.safetensors")
    with pytest.raises(TTameError, match=rf"^(model|weights|head): .*({said})") as caught:
        open_model(model, weights, name="mine", head=head)
    assert "\n" not in str(caught.value)


def test_without_the_library_a_line_says_what_to_install(saved: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(TTameError, match=r"needs transformers .*pip install 'ttame\[hf\]'"):
        open_model(f"hf:{saved}")


def test_a_hub_out_of_reach_is_not_asked_again_and_again(unreachable_hub) -> None:
    with pytest.raises(TTameError, match="could be downloaded"):
        open_model("hf:google/vit-base-patch16-224")
