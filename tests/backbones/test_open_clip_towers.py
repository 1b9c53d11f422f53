"""What open_clip is asked for, and what is said when it has it not."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from ttame.backbones.open_clip_towers import from_open_clip, load_pair
from ttame.backbones.tokens import TokenLayout, read_token_layout
from ttame.backbones.zero_shot import TextHead, write_text_head
from ttame.data.transforms import Preprocessing
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings

from ..tiny_models import SIZE, save_open_clip

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("open_clip") / "tiny"
    save_open_clip(path)
    return path


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> str:
    path: Path = tmp_path_factory.mktemp("head") / "head.safetensors"
    write_text_head(path, TextHead(torch.randn(3, 16), None, ["a", "b", "c"], {}))
    return str(path)


def _prepared(folder: Path, head: str, **changes: object) -> Preprocessing:
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"] |= changes
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return from_open_clip("mine", ModelSettings(model=f"open_clip:{folder}", head=head)).preprocessing


def test_images_are_prepared_as_open_clip_says(tmp_path: Path, head: str) -> None:
    save_open_clip(tmp_path)
    assert _prepared(tmp_path, head) == Preprocessing((SIZE, SIZE), SIZE, "bicubic", *CLIP)
    half = (0.5, 0.5, 0.5)
    squash = {"resize_mode": "squash", "interpolation": "bilinear", "mean": half, "std": half}
    assert _prepared(tmp_path, head, **squash) == Preprocessing((SIZE, SIZE), SIZE, "bilinear", half, half)
    with pytest.raises(TTameError, match=r"cannot be followed .*resize_mode 'longest'"):
        _prepared(tmp_path, head, resize_mode="longest")


def test_a_convolutional_tower_states_no_tokens(tmp_path: Path, head: str) -> None:
    save_open_clip(tmp_path, layers=[1, 1, 1, 1], width=8, image_size=64)
    model = from_open_clip("mine", ModelSettings(model=f"open_clip:{tmp_path}", head=head)).model
    assert read_token_layout(model) is None


def test_a_transformer_states_its_tokens_whatever_becomes_of_them(tmp_path: Path, head: str) -> None:
    save_open_clip(tmp_path, pool_type="avg")
    model = from_open_clip("mine", ModelSettings(model=f"open_clip:{tmp_path}", head=head)).model
    assert read_token_layout(model) == TokenLayout(1, (SIZE // 8, SIZE // 8))


def test_open_clip_speaks_of_nothing(folder: Path, head: str, capsys) -> None:
    handlers = list(logging.getLogger().handlers)
    from_open_clip("mine", ModelSettings(model=f"open_clip:{folder}", head=head))
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger("mine").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("open_clip:ViT-B-33", r"no such folder, and no model 'ViT-B-33' in open_clip; did you mean .*'ViT-B-32'"),
        ("open_clip:", "no such folder, and no model '' in open_clip"),
        ("open_clip:nowhere/model", "no such folder, and no model 'nowhere/model' in open_clip"),
        ("open_clip:ViT-B-32", r"which weights\? Name published ones \(open_clip:ViT-B-32@\w+, with one of "),
        ("open_clip:ViT-B-32@laion2b", "which weights.*did you mean 'laion2b_"),
        ("open_clip:ViT-B-32@openai", "another activation function; use open_clip:ViT-B-32-quickgelu@openai"),
        ("open_clip:ViT-B-32-quickgelu@laion2b_e16", "which weights|use open_clip:ViT-B-32@laion2b_e16"),
        (
            "open_clip:RN50-quickgelu@openai",
            r"could not be downloaded .*put them into a file, and give it as models\.mine",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line(model: str, said: str, monkeypatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("urllib.request.urlopen", _offline)
    with pytest.raises(TTameError, match=rf"^models\.mine\.model: {model}: .*({said})") as caught:
        load_pair("mine", ModelSettings(model=model))
    assert "\n" not in str(caught.value)


def _offline(*_: object, **__: object) -> None:
    raise OSError("no route to host")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("open_clip_config.json", None, r"no open_clip_config\.json in that folder"),
        ("open_clip_config.json", b"{", r"open_clip cannot make it"),
        ("open_clip_config.json", b'{"model_cfg": {"vision_cfg": {}, "text_cfg": {}}}', "open_clip cannot make it"),
        ("open_clip_model.safetensors", None, r"no weights in that folder; expected open_clip_model\.safetensors"),
        ("open_clip_model.safetensors", b"xx", "not a state dict that loads safely"),
    ],
)
def test_a_folder_that_is_none_is_one_line(file: str, content: bytes | None, said: str, tmp_path: Path) -> None:
    save_open_clip(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(TTameError, match=rf"^models\.mine\.(model|weights): .*{said}") as caught:
        load_pair("mine", ModelSettings(model=f"open_clip:{tmp_path}"))
    assert "\n" not in str(caught.value)


def test_without_the_library_a_line_says_what_to_install(folder: Path, head: str, monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "open_clip", None)
    with pytest.raises(TTameError, match=r"needs open_clip .*pip install 'ttame\[clip\]'"):
        from_open_clip("mine", ModelSettings(model=f"open_clip:{folder}", head=head))
