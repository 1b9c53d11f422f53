"""What a start imports: seconds of every job hang on it, but no clock is steady enough to test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY

from .conftest import run

RUN_AND_LIST = """
import sys
from ttame.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as stopped:
    code = stopped.code
assert code == 0, code
print(*sys.modules, sep="\\n")
"""


def imported(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    command = [sys.executable, "-c", RUN_AND_LIST, *arguments]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return set(subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.split())


def test_the_command_line_and_the_settings_import_no_torch() -> None:
    found = imported("--help")
    assert "ttame.params.settings" in found
    assert not {"torch", "numpy", "pandas"} & found


@pytest.mark.parametrize("backbone", ["shapes_cnn", "shapes_vit"])
def test_maps_of_the_embedded_data_import_torch_alone(experiment, backbone) -> None:
    params = experiment() / "params.yaml"
    params.write_text(yaml.safe_dump(yaml.safe_load(params.read_text()) | {"backbones": [backbone]}))
    run("datalists")
    found = imported("maps", backbone, "gradcam")
    assert "torch" in found
    assert not {"timm", "torchvision", "torch._dynamo", "lightning_fabric", "numba", "pandas", "matplotlib"} & found


def test_the_table_of_costs_imports_no_torch(experiment) -> None:
    experiment()
    folder = Path("results/tiny/cost/shapes_cnn")
    folder.mkdir(parents=True)
    for method in ("random", "center", "gradcam", "ttame"):
        measured = {"seconds_per_image": 1, "peak_memory_bytes": 1, "batch_size": 1, "device": "CPU"}
        row = {"backbone": "shapes_cnn", "method": method} | measured
        (folder / f"{method}.json").write_text(json.dumps(row))
    (folder / "ttame.training.csv").write_text("epoch,images_per_second\n1,2\n")
    assert "torch" not in imported("cost")
