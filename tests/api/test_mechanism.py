from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ttame
from ttame.attention.checkpoint import load_checkpoint

from .conftest import KNOWN, refused, small_cnn, wrapped


@pytest.fixture
def mechanism(folder, model) -> ttame.Mechanism:
    return ttame.train(model, "ttame", "photos", epochs=1, batch_size=5)


def test_a_file_is_that_of_the_pipeline_and_gives_the_same_maps(mechanism, model, folder) -> None:
    mechanism.save("folder/mine.safetensors")
    read = load_checkpoint(folder / "folder/mine.safetensors", model, "ttame")
    for name, tensor in mechanism.trained.network.state_dict().items():
        assert torch.equal(read.network.state_dict()[name], tensor)
    assert read.counts.tolist() == mechanism.training_counts.tolist()
    loaded = ttame.load_mechanism("folder/mine.safetensors", wrapped(small_cnn()))
    assert (loaded.design, repr(loaded)) == ("ttame", repr(mechanism))
    expected = ttame.Explainer("ttame", model, checkpoint=mechanism)("photos/1.png")
    for checkpoint in ("folder/mine.safetensors", folder / "folder/mine.safetensors"):
        assert torch.equal(ttame.Explainer("ttame", model, checkpoint=checkpoint)("photos/1.png").raw, expected.raw)
    found = ttame.Explainer("ttame", loaded.model, checkpoint=loaded)("photos/1.png")
    assert torch.equal(found.raw, expected.raw)
    assert ttame.explain(model, "photos/1.png", "ttame", checkpoint=mechanism).equal(expected.saliency)


def test_a_mechanism_of_double_precision_keeps_it(folder) -> None:
    model = wrapped(small_cnn(torch.float64))
    mechanism = ttame.train(model, "ttame", "photos", epochs=1, batch_size=5)
    mechanism.save("mine.safetensors")
    loaded = ttame.load_mechanism("mine.safetensors", model)
    for name, tensor in mechanism.trained.network.state_dict().items():
        assert torch.equal(loaded.trained.network.state_dict()[name], tensor)
    maps = ttame.Explainer("ttame", model, checkpoint=loaded)("photos/1.png")
    assert maps.raw.dtype == torch.float64
    assert torch.equal(maps.raw, ttame.Explainer("ttame", model, checkpoint=mechanism)("photos/1.png").raw)


def test_one_mechanism_serves_a_model_that_changes_its_precision(mechanism, model) -> None:
    single = ttame.Explainer("ttame", model, checkpoint=mechanism)("photos/1.png")
    double = ttame.Explainer("ttame", model.double(), checkpoint=mechanism)("photos/1.png")
    assert double.raw.dtype == torch.float64
    torch.testing.assert_close(double.raw.float(), single.raw, rtol=1e-4, atol=1e-5)
    assert next(mechanism.trained.network.parameters()).dtype == torch.float32


def test_it_says_in_a_line_what_it_is(mechanism) -> None:
    seen = int((mechanism.training_counts > 0).sum())
    line = f"Mechanism ttame for SmallCNN: reads features.2, features.5, features; {seen} of 5 classes seen in training"
    assert repr(mechanism) == line


def test_one_of_another_method_or_classifier_is_refused(mechanism, model) -> None:
    mechanism.save("mine.safetensors")
    message = "checkpoint: a mechanism of design ttame; this method reads one of lcam"
    refused(lambda: ttame.Explainer("lcam_img", model, checkpoint=mechanism), message)
    message = r"checkpoint: mine\.safetensors: trained for design ttame, but this model has lcam"
    refused(lambda: ttame.Explainer("lcam_img", model, checkpoint="mine.safetensors"), message)
    again = wrapped(small_cnn())
    message = "checkpoint: trained for another classifier than this SmallCNN"
    refused(lambda: ttame.Explainer("ttame", again, checkpoint=mechanism), message)
    less = ttame.wrap(small_cnn(), **KNOWN, layers=["features.2"])
    message = r"path: mine\.safetensors: trained for layers .*, but this model has \['features\.2'\]"
    refused(lambda: ttame.load_mechanism("mine.safetensors", less), message)
    other = ttame.wrap(small_cnn(), **KNOWN, name="other")
    message = r"path: mine\.safetensors: trained for backbone SmallCNN, but this model has other"
    refused(lambda: ttame.load_mechanism("mine.safetensors", other), message)


def test_who_gives_a_module_for_the_classifier_is_told(mechanism) -> None:
    module: Any = small_cnn()
    mechanism.save("mine.safetensors")
    refused(lambda: ttame.load_mechanism("mine.safetensors", module), "model: a SmallCNN; expected a classifier")
    refused(lambda: ttame.load_images("photos/1.png", module), "model: a SmallCNN; expected a classifier")


def test_a_file_that_cannot_be_read_or_written_is_named(mechanism, model, odd_files) -> None:
    refused(lambda: ttame.load_mechanism("nowhere.safetensors", model), r"path: nowhere\.safetensors: no such file")
    refused(lambda: ttame.load_mechanism("text.safetensors", model), r"path: text\.safetensors: not a checkpoint")
    refused(lambda: mechanism.save("photos"), r"path: photos; expected the name of a file that ends in \.safetensors")
    below = Path("text.png/mine.safetensors")
    refused(lambda: mechanism.save(below), r"path: text\.png/mine\.safetensors: cannot be written")


def test_a_file_of_other_weights_is_refused_and_one_that_states_none_is_read(mechanism, model) -> None:
    mechanism.save("mine.safetensors")
    other = small_cnn()
    torch.nn.init.zeros_(other.classifier.bias)
    said = r"mine\.safetensors: trained for other weights of SmallCNN than there are now; train again, or bring them"
    refused(lambda: ttame.load_mechanism("mine.safetensors", wrapped(other)), f"path: {said}")
    refused(lambda: ttame.Explainer("ttame", wrapped(other), checkpoint="mine.safetensors"), f"checkpoint: {said}")
    for kind in (torch.float64, torch.bfloat16):
        ttame.load_mechanism("mine.safetensors", wrapped(small_cnn().to(kind)))
    with safe_open("mine.safetensors", framework="pt") as file:
        stated = json.loads(file.metadata()["ttame"])
    assert len(stated.pop("weights")) == 16
    save_file(load_file("mine.safetensors"), "old.safetensors", {"ttame": json.dumps(stated)})
    ttame.load_mechanism("old.safetensors", wrapped(other))
