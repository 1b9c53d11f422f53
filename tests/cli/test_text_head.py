"""A list of words becomes a classifier, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from ttame.cli.main import main
from ttame.data.shapes import render

from ..tiny_models import save_classifier, save_clip, save_open_clip
from .conftest import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A folder without an experiment: a photo, words, CLIP and a classifier."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(render(1, 7).pixels).save("photo.png")
    Path("words.txt").write_text("cat\ndog\nbird\n")
    save_clip(Path("clip"))
    return tmp_path


def test_words_are_explained_in_a_photo(folder: Path, capsys) -> None:
    run("text-head", "hf:clip", "--classes", "words.txt", "--output", "head.safetensors")
    said = capsys.readouterr().out
    assert "head.safetensors: 3 classes of hf:clip, templates: 1" in said
    assert "models.NAME: {model: hf:clip, weights: default, head: head.safetensors}" in said
    run("show", "photo.png", "--model", "hf:clip", "--head", "head.safetensors", "--class", "dog")
    lines = capsys.readouterr().out.splitlines()
    assert {line.split("%")[1].strip() for line in lines[:3]} == {"cat", "dog", "bird"}
    assert lines[3] == "Maps of dog: photo.maps.png"


def test_show_takes_a_model_by_its_folder(folder: Path, capsys) -> None:
    save_classifier(Path("vit"))
    run("show", "photo.png", "--model", "hf:vit")
    assert "Maps of name " in capsys.readouterr().out


def test_templates_and_an_older_head_are_replaced(folder: Path) -> None:
    run("text-head", "hf:clip", "--classes", "words.txt", "--output", "head.safetensors")
    before = load_file("head.safetensors")["weight"]
    Path("templates.txt").write_text("the {}\na photo of the {}.\n")
    save_open_clip(Path("open_clip"))
    run(
        "text-head", "hf:clip", "--classes", "words.txt", "--templates", "templates.txt", "--output", "head.safetensors"
    )
    assert not before.equal(load_file("head.safetensors")["weight"])
    run("text-head", "open_clip:open_clip", "--classes", "words.txt", "--output", "other.safetensors")
    assert load_file("other.safetensors")["weight"].shape == (3, 16)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "shapes_cnn"}, "MODEL: shapes_cnn has no text tower; expected hf:FOLDER"),
        ({"model": "hf:vit"}, "hf:vit: is a vit model; expected an image tower and a text tower"),
        ({"model": "hf:./nowhere"}, "MODEL: hf:./nowhere: no such folder"),
        ({"model": "hf:broken"}, "MODEL: hf:broken: cannot be read (It looks like the config file"),
        ({"model": "hf:no_tokenizer"}, "--classes: words.txt: 'cat' and 'dog' are the same to the text tower"),
        ({"model": "open_clip:ViT-B-32"}, "MODEL: open_clip:ViT-B-32: which weights?"),
        ({"model": "open_clip:nothing"}, "MODEL: open_clip:nothing: no such folder, and no model"),
        ({"model": ""}, "'' names no model"),
        ({"--weights": "nowhere.pt"}, "--weights: nowhere.pt: no such file"),
        ({"--classes": "nowhere.txt"}, "--classes: nowhere.txt: cannot be read (No such file"),
        ({"--classes": "empty.txt"}, "--classes: empty.txt: is empty; expected the name of a class a line"),
        ({"--classes": "one.txt"}, "--classes: one.txt: has one class; expected two or more"),
        ({"--classes": "twice.txt"}, "--classes: twice.txt: 'cat' is listed twice; remove one"),
        ({"--classes": "unknown.txt"}, "'table' and 'chair' are the same to the text tower"),
        ({"--classes": "photo.png"}, "--classes: photo.png: cannot be read (it is no UTF-8)"),
        ({"--templates": "words.txt"}, "--templates: words.txt: 'cat': expected {} once"),
        ({"--output": "head.txt"}, "--output: head.txt: expected a file name that ends in .safetensors"),
        ({"--output": "clip/model.safetensors"}, "--output: clip/model.safetensors is there and no text head"),
        ({"--output": "text.safetensors"}, "--output: text.safetensors is there and no text head"),
    ],
)
def test_bad_input_is_one_line(folder: Path, capsys, changes: dict[str, str], said: str) -> None:
    for name, text in {"empty": "\n\n", "one": "cat", "twice": "cat\ndog\ncat", "unknown": "table\nchair"}.items():
        Path(f"{name}.txt").write_text(text)
    Path("text.safetensors").write_text("mine")
    save_classifier(Path("vit"))
    save_clip(Path("broken"))
    Path("broken/config.json").write_text("{")
    save_clip(Path("no_tokenizer"))
    for file in Path("no_tokenizer").glob("tokenizer*"):
        file.unlink()
    kept = Path("clip/model.safetensors").read_bytes()
    given = {"model": "hf:clip", "--classes": "words.txt", "--output": "head.safetensors"} | changes
    arguments = [given.pop("model"), *(word for option in given.items() for word in option)]
    capsys.readouterr()
    assert main(["text-head", *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("ttame: ")
    assert said in error
    assert "\n" not in error
    assert not Path("head.safetensors").exists()
    assert Path("clip/model.safetensors").read_bytes() == kept
