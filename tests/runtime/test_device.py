from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ttame.cli.main import main
from ttame.errors import TTameError
from ttame.params.settings import ExecutionSettings, Settings
from ttame.runtime.device import select_device
from ttame.runtime.processes import open_processes
from ttame.store.paths import maps_file
from ttame.store.provenance import read_records
from ttame.store.undefined import write_undefined

from ..conftest import REPOSITORY


@pytest.fixture
def without_cuda(tmp_path: Path, monkeypatch) -> Path:
    def none(*_: object) -> None:
        raise RuntimeError("Found no NVIDIA driver on your system")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in ("get_device_name", "get_device_properties", "set_device", "synchronize", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, none)
    monkeypatch.chdir(tmp_path)
    Path("datalist").symlink_to(REPOSITORY / "datalist")
    whole = (REPOSITORY / "params.yaml").read_text()
    Path("params.yaml").write_text(re.sub(r"\bdevice: \w+", "device: cuda", whole))
    return tmp_path


@pytest.mark.parametrize("select", [select_device, open_processes])
def test_cuda_where_there_is_none_is_one_line(select: Callable[[ExecutionSettings], Any], without_cuda) -> None:
    with pytest.raises(TTameError, match=r"execution\.device is 'cuda' but no CUDA device is visible"):
        select(ExecutionSettings(device="cuda"))


def test_stages_that_need_no_device_ask_for_none(without_cuda, capsys) -> None:
    assert main(["specifications"]) == 0, capsys.readouterr().err
    assert main(["datalists"]) == 0, capsys.readouterr().err
    assert main(["maps", "shapes_cnn", "gradcam"]) == 1
    assert "no CUDA device is visible" in capsys.readouterr().err


def test_a_pair_that_is_not_defined_is_recorded_without_a_device(without_cuda, capsys) -> None:
    settings = Settings.model_validate({"experiment": "shapes", "backbones": ["shapes_cnn"]})
    write_undefined(maps_file(settings, "shapes_cnn", "rollout", None), "rollout is not defined on shapes_cnn")
    assert main(["scores", "shapes_cnn", "rollout"]) == 0, capsys.readouterr().err
    assert read_records(settings)[0]["device"].startswith("CPU")
