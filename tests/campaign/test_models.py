"""Classifiers and weights that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from ttame.cli.main import main

from .conftest import Refused

FUNCTIONS = {
    "raises": "def model():\n    raise RuntimeError('mine')",
    "wants": "def model(depth):\n    return depth",
    "none": "def model():\n    return None",
    "value": "model = 3",
    "nothing": "other = 3",
    "syntax": "def model(:",
    "imports": "import nowhere_at_all",
    "exits": "raise SystemExit(3)",
    "fails": "1 / 0",
}


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
def test_function_that_is_no_model_is_refused(refused: Refused, text: str, monkeypatch) -> None:
    assert main(["use", "small"]) == 0
    Path("my_models.py").write_text(text)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    refused("layers", "my_models:model", names=("my_models",))


@pytest.mark.parametrize("model", ["resnet1888", "shapes_cn", "nowhere:model", ":model", "os:", "", "a\nb", "../x"])
def test_unknown_model_is_refused(refused: Refused, model: str) -> None:
    assert main(["use", "small"]) == 0
    refused("layers", model)


WEIGHTS = {"empty": b"", "text": b"text", "zip": b"PK\x03\x04", "cut": b"\x80\x02}q"}


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
@pytest.mark.parametrize("content", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_are_none_are_refused(refused: Refused, content: bytes, ending: str) -> None:
    path = Path(f"weights.{ending}")
    path.write_bytes(content)
    assert main(["use", "small", f"models.shapes_cnn.weights={path}"]) == 0
    assert main(["datalists"]) == 0
    refused("maps", "shapes_cnn", "center", names=(str(path),))


@pytest.mark.parametrize("stored", [3, [], {}, {"model": 1}, {"a": torch.zeros(1)}], ids=str)
def test_stored_objects_that_are_no_weights_are_refused(refused: Refused, stored: object) -> None:
    torch.save(stored, "weights.pt")
    assert main(["use", "small", "models.shapes_cnn.weights=weights.pt"]) == 0
    assert main(["datalists"]) == 0
    refused("maps", "shapes_cnn", "center", names=("weights.pt",))
