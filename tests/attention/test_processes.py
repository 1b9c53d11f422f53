from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from ttame.errors import TTameError
from ttame.processes import open_processes
from ttame.settings import load_settings

from ..conftest import REPOSITORY


def _train(count: int, folder: Path) -> dict[str, dict[str, Any]]:
    target = folder / f"{count}.pt"
    command = [sys.executable, "-m", "tests.attention.steps_of_processes", str(count), str(target)]
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=120, env=environment)
    found: dict[str, dict[str, Any]] = torch.load(target, weights_only=True)
    return found


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    one, two = _train(1, tmp_path), _train(2, tmp_path)
    for mode, expected in one.items():
        torch.testing.assert_close(two[mode]["losses"], expected["losses"], atol=1e-5, rtol=1e-5)
        for name, tensor in expected.items():
            torch.testing.assert_close(two[mode][name], tensor, atol=1e-4, rtol=1e-4, msg=f"{mode}: {name}")
    untrained = one["random"]["losses"][0]
    assert not torch.equal(untrained, one["random"]["losses"][-1])


def test_more_gpus_than_there_are(monkeypatch) -> None:
    execution = load_settings(REPOSITORY / "params.yaml").execution
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(TTameError, match="asks for 4 GPUs but 1 can be seen"):
        open_processes(dataclasses.replace(execution, device="cuda", devices=4))
