"""Trained mechanisms and published checkpoints that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from ttame.cli.main import main

from .conftest import Refused

BROKEN = {"empty": b"", "text": b"text", "zip": b"PK\x03\x04", "cut": b"\x10\0\0\0\0\0\0\0{}", "zeros": bytes(100)}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_mechanism_is_refused(refused: Refused, content: bytes) -> None:
    assert main(["use", "small"]) == 0
    Image.new("RGB", (16, 16)).save("photo.png")
    Path("mine.safetensors").write_bytes(content)
    refused("show", "photo.png", "--method", "ttame", "--checkpoint", "mine.safetensors", names=("mine.safetensors",))


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_published_checkpoint_is_refused(refused: Refused, content: bytes) -> None:
    assert main(["use", "small"]) == 0
    Path("mine.ckpt").write_bytes(content)
    refused("import-checkpoint", "mine.ckpt", "--backbone", "shapes_cnn", names=("mine.ckpt",))


@pytest.mark.parametrize("stored", [3, {}, {"state_dict": 3}, {"state_dict": {}}], ids=str)
def test_stored_object_that_is_no_checkpoint_is_refused(refused: Refused, stored: object) -> None:
    assert main(["use", "small"]) == 0
    torch.save(stored, "mine.ckpt")
    refused("import-checkpoint", "mine.ckpt", "--backbone", "shapes_cnn", names=("mine.ckpt",))
