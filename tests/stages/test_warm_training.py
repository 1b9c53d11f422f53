"""The train stage with a warm start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ttame.attention.epochs import train
from ttame.attention.warm_start import class_rows, scale_of_range
from ttame.backbones.loading import load_backbone
from ttame.cli.main import main
from ttame.data.datalists import read_names
from ttame.data.sources import open_source
from ttame.data.transforms import fit_image, to_bytes, to_unit_range
from ttame.errors import Stopped
from ttame.params.active import load_settings
from ttame.stages import train as stage

from .conftest import run

CHECKPOINT = Path("results/tiny/attention/shapes_cnn/ttame.seed1.safetensors")


def _warm(rate: float, scale: float | str = 0.3, **changes: Any) -> None:
    """Let the active experiment start from CAM."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    section = params["attention"]["ttame"]
    section["mechanism"] |= {"initial_bias": 1.5, "warm_start": {"scale": scale, "range": 6.0, "images": 12}}
    section["learning_rate"] = rate
    section["loss"] |= changes
    Path("params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize("scale", [0.3, "auto"])
def test_at_a_rate_near_zero_the_checkpoint_is_cam(experiment, scale) -> None:
    experiment()
    _warm(1e-9, scale, ranked_masks=0.5, blurred_fill=0.5)
    run("datalists")
    run("train", "shapes_cnn", "ttame")
    settings = load_settings(Path("params.yaml"))
    backbone = load_backbone("shapes_cnn", settings.models["shapes_cnn"])
    source = open_source(settings.data, "train")
    preprocessing = backbone.preprocessing
    names = read_names(Path("results/tiny/datalists/train.txt"))[:12]
    crops = [fit_image(source.load(name), preprocessing) for name in names]
    images = to_unit_range(torch.stack([to_bytes(crop) for crop in crops]))
    rows = class_rows(backbone, "layer3", [images])
    found = load_file(CHECKPOINT)
    before, last = found["fuser.weight"][:, :96, 0, 0], found["fuser.weight"][:, 96:, 0, 0]
    factor = scale_of_range(backbone, "layer3", rows, [images], 6.0) if scale == "auto" else scale
    torch.testing.assert_close(last, factor * rows, atol=1e-6, rtol=1e-4)
    assert before.abs().max() < 1e-6
    assert found["bns.2.weight"].abs().max() < 1e-6
    torch.testing.assert_close(found["fuser.bias"], torch.full((10,), 1.5), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_training_that_goes_on_takes_the_start_that_was_computed(experiment, monkeypatch) -> None:
    unbroken = experiment("unbroken")
    _warm(0.02, ranked_masks=0.5)
    run("datalists")
    run("train", "shapes_cnn", "ttame")
    expected = load_file(unbroken / CHECKPOINT)
    assert not list(Path(".scratch").rglob("*.safetensors"))

    experiment("stopped")
    _warm(0.02, ranked_masks=0.5)
    run("datalists")

    def stop(*_: object) -> None:
        raise Stopped("stopped before the first step")

    def compute(*_: object) -> None:
        raise AssertionError("the start is computed again")

    monkeypatch.setattr(stage, "train", stop)
    assert main(["train", "shapes_cnn", "ttame"]) != 0
    monkeypatch.setattr(stage, "train", train)
    monkeypatch.setattr(stage, "rows_of_warm_start", compute)
    run("train", "shapes_cnn", "ttame")
    found = load_file(CHECKPOINT)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


def test_a_method_that_cannot_start_from_cam_is_one_line(experiment, capsys) -> None:
    experiment()
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["methods"]["trained"] = ["no_skip"]
    params["attention"]["no_skip"] = params["attention"].pop("ttame")
    params["attention"]["no_skip"]["mechanism"]["warm_start"] = {"scale": 0.2, "range": 12.0, "images": 12}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    run("datalists")
    capsys.readouterr()
    assert main(["train", "shapes_cnn", "no_skip"]) == 1
    assert "mechanism.warm_start: needs branches with a skip" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("key", ["blurred_fill", "complement"])
def test_what_masks_features_has_no_fill_and_no_rest(params: dict[str, Any], key: str) -> None:
    from ttame.errors import TTameError
    from ttame.params.reading import parse_settings

    params["attention"]["lcam_fm"]["loss"][key] = 0.5
    with pytest.raises(TTameError, match=rf"attention\.lcam_fm\.loss\.{key}: lcam_fm masks features, not the"):
        parse_settings(params)
