from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.runtime.processes import open_processes

from ..attention.steps_of_processes import Masking, train_steps
from ..conftest import REPOSITORY


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    maskings: list[Masking] = ["random", "diagonal", "max"]
    one, two = train_steps(tmp_path, maskings), train_steps(tmp_path, maskings, devices=2)
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
        open_processes(execution.model_copy(update={"device": "cuda", "devices": 4}))
