from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

import ttame
from ttame.cli.main import main
from ttame.data.datalists import read_names
from ttame.data.shapes import render

from ..conftest import REPOSITORY
from .conftest import files, refused, small_cnn, wrapped


@pytest.fixture
def stage(folder) -> Path:
    """What the train stage makes of a folder: a checkpoint and its history."""
    for index in range(8):
        Image.fromarray(render(1, index).pixels).save(folder / f"photos/{index}.png")
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    params |= {"experiment": "tiny", "backbones": ["shapes_cnn"]}
    splits = ("train", "validation", "evaluation")
    params["data"] |= {"source": "folder", "roots": dict.fromkeys(splits, "photos"), "lists": dict.fromkeys(splits)}
    params["data"]["counts"] = {"train": 7, "validation": 2, "evaluation": 1}
    params["methods"] |= {"training_free": ["center"], "trained": ["ttame"]}
    params["measures"]["taken"] = ["single_deletion"]
    params["attention"]["ttame"]["recipe"] |= {"epochs": 2, "batch_size": 3}
    params["attention"]["ttame"]["mechanism"] |= {"warm_start": {"scale": "auto", "range": 12.0, "images": 4}}
    params["execution"] |= {"device": "cpu", "threads": 1, "portable": False}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    assert main(["datalists"]) == 0
    assert main(["train", "shapes_cnn", "ttame"]) == 0
    return folder / "results/tiny/attention/shapes_cnn/ttame.seed1.safetensors"


def test_a_checkpoint_is_that_of_the_train_stage_bit_for_bit(stage) -> None:
    lists = {
        split: [f"photos/{name}" for name in read_names(Path(f"results/tiny/datalists/{split}.txt"))]
        for split in ("train", "validation")
    }
    mechanism = ttame.train(
        ttame.open_model("shapes_cnn"),
        "ttame",
        lists["train"],
        validation=lists["validation"],
        epochs=2,
        batch_size=3,
        learning_rate=0.02,
        initial_bias=3.0,
        warm_start={"scale": "auto", "images": 4},
    )
    mechanism.save("mine.safetensors")
    assert Path("mine.safetensors").read_bytes() == stage.read_bytes()
    history = pd.read_csv(stage.with_suffix("").with_suffix(".seed1.history.csv"))
    mine = mechanism.history.drop(columns="images_per_second")
    pd.testing.assert_frame_equal(mine.astype(float), history.astype(float), rtol=1e-5)


def test_it_learns_and_the_classifier_stays_as_it_is(folder, dtype) -> None:
    model = wrapped(small_cnn(dtype))
    before = copy.deepcopy(model.state_dict())
    mechanism = ttame.train(model, "ttame", "photos", epochs=20, batch_size=5, learning_rate=0.2, initial_bias=2.0)
    loss = mechanism.history["train_loss"]
    assert loss.iloc[-1] < 0.9 * loss.iloc[0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert mechanism.training_counts.sum() == 20 * 10
    assert "validation_loss" not in mechanism.history
    assert next(mechanism.trained.network.parameters()).dtype == dtype


def test_the_seed_decides_and_the_callers_random_numbers_go_on(folder, model) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weights = [
        ttame.train(model, "lcam_img", "photos", epochs=1, batch_size=5, seed=seed).trained.network.state_dict()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(torch.rand(3), expected)
    ttame.train(model, "lcam_img", "photos", epochs=1, batch_size=5, output="mine.safetensors")
    torch.manual_seed(5)
    ttame.Explainer("lcam_img", model, checkpoint="mine.safetensors")
    assert torch.equal(torch.rand(3), expected), "nor does one that is read take any"
    same, other = (
        all(torch.equal(weights[0][name], found[name]) for name in found) for found in (weights[1], weights[2])
    )
    assert same
    assert not other


def test_a_folder_is_its_files_and_nothing_but_the_output_is_written(folder, model) -> None:
    before = files(folder)
    paths = [f"photos/{index}.png" for index in range(10)]
    of_files = ttame.train(model, "lcam_fm", paths, epochs=1, batch_size=5)
    of_folder = ttame.train(model, "lcam_fm", "photos", epochs=1, batch_size=5, output=folder / "mine.safetensors")
    for name, tensor in of_files.trained.network.state_dict().items():
        assert torch.equal(of_folder.trained.network.state_dict()[name], tensor)
    after = files(folder)
    of_files.save("mine.safetensors")
    assert after == before | {"mine.safetensors": Path("mine.safetensors").read_bytes()}


def test_ptame_reads_another_classifier(folder, model) -> None:
    mechanism = ttame.train(model, "ptame", "photos", auxiliary="shapes_cnn", epochs=1, batch_size=5)
    mechanism.save("mine.safetensors")
    result = ttame.Explainer("ptame", model, checkpoint=mechanism)("photos/1.png")
    again = ttame.Explainer("ptame", model, checkpoint="mine.safetensors")("photos/1.png")
    assert torch.equal(result.raw, again.raw)
    assert result.raw.shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"method": "rise"}, "method: 'rise' is no trained method"),
        ({"method": "tame"}, "method: tame is defined on transformers alone"),
        ({"epoch": 2}, "epoch: no option of training ttame; did you mean 'epochs'"),
        ({"epochs": 0}, "epochs: 0 should be greater than or equal to 1"),
        ({"learning_rate": 0}, "learning_rate: 0 should be greater than 0"),
        ({"warm_start": {"image": 4}}, "warm_start: unknown key 'image'; did you mean 'images'"),
        ({"sharpness": 0.1, "accumulate": 2}, "sharpness: needs accumulate: 1"),
        ({"method": "lcam_img_a", "area": 1.0}, "area: lcam_img_a is trained with the cross-entropy alone"),
        ({"feature_layers": [7]}, "feature_layers: SmallCNN has 3 feature layers and none at 7"),
        ({"method": "no_skip_no_norm", "warm_start": {}}, "warm_start: needs branches with a skip connection"),
        (
            {"method": "lcam_img", "feature_layers": "all"},
            "L-CAM reads one feature layer .* name one in feature_layers",
        ),
        ({"method": "ptame", "auxiliary": "resnet5O"}, "auxiliary, on SmallCNN: auxiliary: unknown model 'resnet5O'"),
        ({"images": "nowhere"}, "images: nowhere: no such folder"),
        ({"images": "empty"}, "images: empty: no image in this folder"),
        ({"images": ["photos/1.png", "b.png"]}, r"images: 1 of 2 files are not there, b\.png for one"),
        ({"images": torch.zeros(2, 3, 32, 32)}, "images: a Tensor; expected a folder of images"),
        ({"images": ["text.png", "photos/1.png"]}, r"text\.png: not an image .*; replace it or leave it out"),
        ({"batch_size": 32}, "images: 10 do not fill a step of 32; give more, or lower batch_size"),
        ({"validation": []}, "validation: there is none; expected a folder of images"),
        ({"output": 5}, "output: a int; expected the name of a file"),
        ({"validation": "nowhere"}, "validation: nowhere: no such folder"),
        ({"seed": -1}, "seed: -1; expected a whole number, 0 or more"),
        ({"workers": 1.5}, r"workers: 1\.5; expected a whole number"),
        ({"device": "gpu"}, "device: gpu cannot be had"),
        ({"output": "mine.pt"}, r"output: mine\.pt; expected the name of a file that ends in \.safetensors"),
        ({"model": small_cnn()}, "model: a SmallCNN; expected a classifier"),
        ({"model": wrapped(small_cnn()).half()}, r"model: in torch\.float16; training needs float32 or float64"),
    ],
)
def test_a_mistake_is_said_of_its_argument(said, message, model, odd_files) -> None:
    given = {"model": model, "method": "ttame", "images": "photos", "batch_size": 2} | said
    refused(lambda: ttame.train(**given), message)


def test_a_loss_that_breaks_is_said_with_the_images(folder, model) -> None:
    message = r"training SmallCNN: the loss is .* in batch \d of epoch \d+ \(.*png.*\) at .*; lower learning_rate$"
    options: dict[str, Any] = {"epochs": 40, "batch_size": 5, "learning_rate": 1000.0, "variation": 1e30}
    refused(lambda: ttame.train(model, "ttame", "photos", **options), message)
