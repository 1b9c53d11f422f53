"""Which states a training goes on from, and what becomes of the others."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError

from .recipe import LOSS, RECIPE


def _training(backbone: Backbone) -> AttentionTraining:
    network = AttentionMechanism((8, 12, 16), 5)
    return AttentionTraining(backbone, network, backbone.layers, LOSS, RECIPE, 0.05, total_steps=12)


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_broken_state_is_set_aside_and_said(tiny_cnn, tmp_path: Path, capsys, content) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)
    broken = path.read_bytes()[:3000] if content is None else content
    path.write_bytes(broken)
    _training(tiny_cnn).resume(path)
    assert f"warning: {path}: broken" in capsys.readouterr().err
    assert not path.exists()
    assert (tmp_path / "state.pt.broken").read_bytes() == broken


def test_a_lack_of_memory_breaks_no_state(tiny_cnn, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(torch.OutOfMemoryError):
        _training(tiny_cnn).resume(path)
    assert path.read_bytes() == before


def test_a_disk_that_fails_breaks_no_state(tiny_cnn, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)

    def fail(_: Path) -> bytes:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", fail)
        with pytest.raises(TTameError, match=r"state\.pt: cannot be read"):
            _training(tiny_cnn).resume(path)
    assert path.exists()


@pytest.mark.parametrize("change", [lambda state: state.pop("counts"), lambda state: state["network"].clear()])
def test_a_state_of_another_training_is_a_line(tiny_cnn, tmp_path: Path, change) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)
    with pytest.raises(TTameError, match="the state of another training"):
        _training(tiny_cnn).resume(path)
    assert path.exists()
