"""Zero-shot classifiers, held against the models that compare images with texts themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ttame import explain, open_model
from ttame.backbones.attention.layers import attention_layers
from ttame.backbones.tokens import TokenLayout
from ttame.backbones.zero_shot import TextHead, read_text_head, write_text_head
from ttame.cli.text_head import run
from ttame.errors import TTameError

from ..tiny_models import SIZE, save_clip, save_open_clip, save_siglip

CLASSES = ["cat", "dog", "bird"]
IMAGES = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
HF_LAYER = "tower.model.encoder.layers.1.layer_norm1"
OPEN_CLIP_LAYER = "tower.model.transformer.resblocks.1.ln_1"


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> dict[str, tuple[str, Any, Path]]:
    """By kind: the name for the params, the whole model, and its head of three words."""
    root: Path = tmp_path_factory.mktemp("towers")
    (root / "classes.txt").write_text("\n".join(CLASSES))
    kinds = {"clip": ("hf", save_clip), "siglip": ("hf", save_siglip), "open_clip": ("open_clip", save_open_clip)}
    found = {}
    for kind, (library, save) in kinds.items():
        model, head = save(root / kind), root / f"{kind}.safetensors"
        run(f"{library}:{root / kind}", "default", root / "classes.txt", None, head)
        found[kind] = (f"{library}:{root / kind}", model, head)
    return found


@torch.no_grad()
def _theirs(kind: str, model: Any, folder: str, texts: list[str]) -> Tensor:
    if kind == "open_clip":
        import open_clip

        tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(texts)
        images, words, scale = model(IMAGES, tokens)
        logits: Tensor = scale * images @ words.T
        return logits
    from transformers import AutoTokenizer

    length = model.config.text_config.max_position_embeddings
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(texts, padding="max_length", max_length=length, return_tensors="pt")
    return model(pixel_values=IMAGES, **tokens).logits_per_image


@pytest.mark.parametrize("kind", ["clip", "siglip", "open_clip"])
def test_logits_are_those_of_the_model_with_its_texts(towers, kind: str) -> None:
    name, model, head = towers[kind]
    layer = OPEN_CLIP_LAYER if kind == "open_clip" else HF_LAYER
    backbone = open_model(name, head=head, layers=[layer], target_layer=layer)
    expected = _theirs(kind, model, name.partition(":")[2], [f"a photo of a {word}." for word in CLASSES])
    torch.testing.assert_close(backbone(IMAGES), expected, atol=1e-4, rtol=1e-4)
    assert backbone.class_names == tuple(CLASSES)
    assert backbone.tokens == TokenLayout(0 if kind == "siglip" else 1, (4, 4))
    assert (read_text_head(head, "head").bias is None) == (kind != "siglip")


def test_a_class_is_the_mean_of_its_normalised_texts(towers, tmp_path: Path) -> None:
    name, model, _ = towers["clip"]
    (tmp_path / "classes.txt").write_text("cat\n\n dog \n")
    (tmp_path / "templates.txt").write_text("a photo of the {}\nthe {}\n")
    run(name, "default", tmp_path / "classes.txt", tmp_path / "templates.txt", tmp_path / "head.safetensors")
    head = read_text_head(tmp_path / "head.safetensors", "head")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name.removeprefix("hf:"))
    rows = []
    for word in ("cat", "dog"):
        tokens = tokenizer([f"a photo of the {word}", f"the {word}"], padding=True, return_tensors="pt")
        with torch.no_grad():
            found = model.get_text_features(**tokens).pooler_output
        mean = (found / found.norm(dim=-1, keepdim=True)).mean(0)
        rows.append(model.logit_scale.exp() * mean / mean.norm())
    torch.testing.assert_close(head.weight, torch.stack(rows).detach(), atol=1e-5, rtol=1e-5)
    assert head.class_names == ["cat", "dog"]
    assert head.made_with == {"model": name, "weights": "default", "templates": ["a photo of the {}", "the {}"]}


def test_methods_explain_it(towers) -> None:
    name, _, head = towers["open_clip"]
    backbone = open_model(name, head=head, layers=[OPEN_CLIP_LAYER], target_layer=OPEN_CLIP_LAYER)
    assert attention_layers(backbone, "rollout").count == 2
    for method in ("gradcam", "rollout", "iia", "rise"):
        maps = explain(backbone, IMAGES, method, options={"masks": 4} if method == "rise" else None)
        assert maps.shape == (2, SIZE, SIZE)
        assert maps.isfinite().all()


def test_a_head_comes_back_as_it_was_written(tmp_path: Path) -> None:
    head = TextHead(torch.randn(2, 4), torch.zeros(2), ["Straße", "naïve café"], {"model": "x"})
    write_text_head(tmp_path / "head.safetensors", head)
    found = read_text_head(tmp_path / "head.safetensors", "models.x.head")
    torch.testing.assert_close(found.weight, head.weight)
    assert found.class_names == head.class_names
    assert found.made_with == head.made_with


def _with_nan(path: Path) -> None:
    write_text_head(path, TextHead(torch.full((2, 16), float("nan")), None, ["a", "b"], {}))


def _with_less_names(path: Path) -> None:
    write_text_head(path, TextHead(torch.zeros(3, 16), None, ["a", "b"], {}))


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file; expected a file that"),
    "a folder": (lambda path: path.mkdir(), "no such file"),
    "empty": (lambda path: path.write_bytes(b""), r"not a text head \(SafetensorError"),
    "text": (lambda path: path.write_text("cat\ndog"), "not a text head"),
    "weights": (lambda path: save_file({"weight": torch.zeros(2, 16)}, path), r"not a text head \(KeyError"),
    "nan": (_with_nan, "not a text head .*not finite"),
    "names": (_with_less_names, "not a text head .*differ in number"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_file_that_is_no_head_is_one_line(towers, fault: str, tmp_path: Path) -> None:
    write, said = BROKEN[fault]
    write(tmp_path / "head.safetensors")
    with pytest.raises(TTameError, match=rf"^head: .*head\.safetensors: .*{said}") as caught:
        open_model(towers["clip"][0], head=tmp_path / "head.safetensors", name="mine")
    assert "\n" not in str(caught.value)


def test_a_head_of_another_model_is_refused(towers, tmp_path: Path) -> None:
    with pytest.raises(TTameError, match=r"its texts have 32 numbers, and the image tower gives \(16,\)"):
        open_model(towers["clip"][0], head=towers["siglip"][2])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("shapes_cnn", "'shapes_cnn' has a head of its own; expected null, or an image tower"),
        ("resnet18", "'resnet18' has a head of its own"),
        ("my_models:build", "'my_models:build' has a head of its own"),
    ],
)
def test_a_head_without_a_tower_is_refused(towers, model: str, said: str) -> None:
    with pytest.raises(TTameError, match=rf"^head: {said}"):
        open_model(model, head=towers["clip"][2], name="mine")


def test_a_tower_without_a_head_says_how_to_make_one(towers) -> None:
    for kind in ("clip", "open_clip"):
        name, _, _ = towers[kind]
        with pytest.raises(TTameError, match=r"^head: .*no classes of its own; .*text-head"):
            open_model(name, name="mine")


def test_weights_of_a_state_dict_are_those_of_both_towers(towers, tmp_path: Path) -> None:
    for kind in ("clip", "open_clip"):
        name, model, head = towers[kind]
        state = {key: tensor * 1.5 if "projection" in key or "proj" in key else tensor for key, tensor in _state(model)}
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / f"{kind}.safetensors")
        ours = open_model(name, weights=str(tmp_path / f"{kind}.safetensors"), head=head)
        theirs = open_model(name, head=head)
        assert not torch.allclose(ours(IMAGES), theirs(IMAGES))
        del state[next(iter(state))]
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "less.safetensors")
        with pytest.raises(TTameError, match="1 of its tensors do not fit the model"):
            open_model(name, weights=str(tmp_path / "less.safetensors"), head=head)


def _state(model: Any) -> list[tuple[str, Tensor]]:
    return list(model.state_dict().items())


def test_a_head_is_a_safetensors_file(towers) -> None:
    assert set(load_file(towers["siglip"][2])) == {"weight", "bias"}
