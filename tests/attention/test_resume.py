"""Which states a training goes on from, and what becomes of the others."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from ttame.attention.mechanism import AttentionMechanism
from ttame.attention.states import read_state
from ttame.attention.training import AttentionTraining
from ttame.backbones.backbone import Backbone
from ttame.errors import TTameError
from ttame.runtime.processes import one_process

from ..conftest import REPOSITORY
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


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"),
            RuntimeError,
        ),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), TTameError),
        (torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"), TTameError),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), TTameError),
    ],
)
@pytest.mark.parametrize("where", [(torch, "load"), (torch.nn.Module, "load_state_dict")])
def test_no_error_of_a_machine_breaks_a_state(tiny_cnn, tmp_path: Path, monkeypatch, said, expected, where) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise said

    with monkeypatch.context() as patched:
        patched.setattr(*where, fail)
        with pytest.raises(expected) as found:
            _training(tiny_cnn).resume(path)
    assert "delete" not in str(found.value), "days of work, which nothing is wrong with"
    assert path.read_bytes() == before
    _training(tiny_cnn).resume(path)


@pytest.mark.parametrize("name", ["a", "archive/data.pkl"])
def test_an_archive_that_is_no_state_is_a_line(tiny_cnn, tmp_path: Path, name: str) -> None:
    path = tmp_path / "state.pt"
    with ZipFile(path, "w") as archive:
        archive.writestr(name, "garbage")
    with pytest.raises(TTameError, match=r"not the state of a training .*; delete it to train anew"):
        _training(tiny_cnn).resume(path)


def test_every_byte_of_the_directory_may_be_wrong(tiny_cnn, tmp_path: Path, capsys) -> None:
    """What zipfile and zlib then say is none of ours; a name or a date that changed is no damage."""
    path, processes = tmp_path / "state.pt", one_process(torch.device("cpu"))
    _training(tiny_cnn).save(path)
    whole = path.read_bytes()
    for place in range(whole.index(b"PK\x01\x02"), len(whole), 3):
        for flipped in (0x01, 0x08):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :])
            with suppress(TTameError):
                read_state(path, processes)
    assert "set aside as state.pt.broken" in capsys.readouterr().err


def test_a_byte_that_changed_breaks_a_state(tiny_cnn, tmp_path: Path, capsys) -> None:
    path = tmp_path / "state.pt"
    _training(tiny_cnn).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    _training(tiny_cnn).resume(path)
    assert "is damaged); set aside as state.pt.broken" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_go_on_together_or_fail_together(tmp_path: Path) -> None:
    """None of them hangs, and none goes on from another state."""
    command = [sys.executable, "-m", "tests.attention.resume_of_processes", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"found.{rank}.json").read_text()) for rank in (0, 1))
    assert (first["same"], second["same"]) == ("2", "2")
    assert (first["unseen"], second["unseen"]) == ("2", "2"), "of what the first has read"
    assert (first["broken"], second["broken"]) == ("0", "0")
    assert done.stderr.count("set aside as broken.pt.broken") == 1
    for case in ("memory", "restoring"):
        assert second[case] == "OutOfMemoryError: out of memory"
        assert first[case] == (
            "TTameError: another process of this job failed, process 1: OutOfMemoryError: out of memory; run the same "
            "command again"
        )
    assert first["memory_of_first"] == "OutOfMemoryError: out of memory"
    assert second["memory_of_first"].startswith("TTameError: another process of this job failed, process 0: OutOfMem")
    assert "disk.pt: cannot be read (Input/output error)" in first["disk"]
    assert second["disk"].endswith(f"process 0: {first['disk'].removeprefix('TTameError: ')}"), "with its own advice"
    stay = {name: value for name, value in first.items() if name.endswith("stays")}
    assert stay == {name: str(name != "broken stays") for name in stay}


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
