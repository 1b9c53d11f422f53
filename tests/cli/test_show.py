from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ttame.backbones.backbone import Backbone
from ttame.cli.main import main
from ttame.data.shapes import CLASS_NAMES, render

from .conftest import run


@pytest.fixture
def photo(experiment) -> Path:
    experiment()
    path = Path("photo.png")
    Image.fromarray(render(1, 7).pixels).save(path)
    return path


def test_top_classes_and_a_picture(photo, capsys) -> None:
    run("show", str(photo), "--method", "gradcam", "random", "rise")
    lines = capsys.readouterr().out.splitlines()
    shares = [float(line.split("%")[0]) for line in lines[:5]]
    assert shares == sorted(shares, reverse=True)
    assert lines[5].endswith("photo.maps.png")
    assert lines[0].split("%")[1].strip() in lines[5]
    picture = np.asarray(Image.open("photo.maps.png"))
    assert picture.shape[1] > 3 * picture.shape[0], "the image and three maps side by side"
    assert picture[..., :3].std() > 20


def test_another_class_has_another_map(photo) -> None:
    for target, output in ((CLASS_NAMES[2], "named.png"), ("2", "index.png"), ("5", "other.png")):
        run("show", str(photo), "--class", target, "--output", output)
    named, index, other = (np.asarray(Image.open(f"{name}.png")) for name in ("named", "index", "other"))
    assert np.array_equal(named, index)
    assert not np.array_equal(named, other)


def test_a_trained_mechanism_is_found_or_named(photo, capsys) -> None:
    assert main(["show", str(photo), "--method", "ttame"]) == 1
    assert "no such trained mechanism; run `python -m ttame train shapes_cnn ttame`" in capsys.readouterr().err
    run("datalists")
    run("train", "shapes_cnn", "ttame")
    run("show", str(photo))
    found = Path("photo.maps.png").read_bytes()
    elsewhere = Path("results/tiny/attention/shapes_cnn/ttame.seed1.safetensors").rename("elsewhere.safetensors")
    run("show", str(photo), "--method", "gradcam", "ttame", "--checkpoint", str(elsewhere))
    assert Path("photo.maps.png").read_bytes() == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png"], "nowhere.png: no such image"),
        (
            ["photo.png", "--method", "gradcamm"],
            "'gradcamm' is no method for an image of your own; did you mean 'gradcam'",
        ),
        (["photo.png", "--method", "ground_truth"], "'ground_truth' is no method for an image of your own"),
        (["photo.png", "--output", "photo.png"], "--output: photo.png is the photo itself"),
        (["photo.png", "--output", "params.yaml"], "--output: params.yaml: no picture can be written there"),
        (["photo.png", "--output", "c.safetensors"], "--output: c.safetensors: no picture can be written there"),
        (["photo.png", "--output", "."], "--output: .: no picture can be written there"),
        (
            ["photo.png", "--method", "gradcam", "--checkpoint", "x.ckpt"],
            "--checkpoint: gradcam has no trained mechanism",
        ),
        (["photo.png", "--class", "99"], "--class: '99' is no class of shapes_cnn"),
        (["photo.png", "--class", "striped squar"], "did you mean 'striped square'"),
        (["photo.png", "--backbone", "shapes_cn"], "no backbone 'shapes_cn'; did you mean 'shapes_cnn'"),
    ],
)
def test_bad_input_is_one_line(photo, capsys, arguments, message) -> None:
    assert main(["show", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "shapes_cn"], r"--model: unknown model 'shapes_cn'; did you mean 'shapes_cnn'"),
        (["--model", "a.b:c"], r"--model: cannot import 'a\.b:c'"),
        (["--model", ""], "--model: ''; "),
        (["--model", "shapes_cnn", "--weights", "x.safetensors"], r"--weights: x\.safetensors: no such"),
        (["--model", "shapes_cnn", "--head", "x.safetensors"], "--head: 'shapes_cnn' has a head .*; leave --head out"),
        (["--model", "flat_model:build"], r"--model: found no .*; name some in layers and target_layer of an exp"),
        (["--model", "shapes_cnn", "--method", "ttame"], "--checkpoint: is missing; ttame reads a trained mechanism"),
        (["--weights", "none"], "--weights: is of --model, which is not there; name one"),
        (["--head", "x.safetensors"], "--head: is of --model, which is not there; name one"),
    ],
)
def test_options_of_a_model_are_named_and_no_keys(photo, capsys, arguments, message) -> None:
    Path("flat_model.py").write_text(
        "from torch import nn\ndef build(): return nn.Sequential(nn.Flatten(), nn.Linear(3 * 224 * 224, 4))"
    )
    assert main(["show", str(photo), *arguments]) == 1
    said = capsys.readouterr().err
    assert re.search(f"^ttame: {message}", said), said
    assert "models." not in said


def test_outputs_that_are_not_finite_are_a_line(photo, capsys, monkeypatch) -> None:
    monkeypatch.setattr(Backbone, "forward", lambda _, images: torch.full((len(images), 6), float("nan")))
    assert main(["show", str(photo)]) == 1
    assert "shapes_cnn: its outputs are not finite" in capsys.readouterr().err


def test_links_to_the_photo_and_files_of_other_kinds_stay_as_they_are(photo, capsys) -> None:
    before = photo.read_bytes()
    Path("link.png").symlink_to(photo)
    Path("hard.png").hardlink_to(photo)
    Path("notes.png").write_text("no picture")
    for name in ("link.png", "hard.png", "notes.png"):
        assert main(["show", str(photo), "--output", name]) == 1
        assert f"--output: {name} is" in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert Path("notes.png").read_text() == "no picture"
