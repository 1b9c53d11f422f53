"""What a start imports: seconds of every job hang on it, but no clock is steady enough to test."""

from __future__ import annotations

import os
import subprocess
import sys

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


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["shapes_cnn", "shapes_vit"])
def test_maps_of_the_embedded_data_import_torch_alone(experiment, backbone) -> None:
    params = experiment() / "params.yaml"
    params.write_text(yaml.safe_dump(yaml.safe_load(params.read_text()) | {"backbones": [backbone]}))
    run("datalists")
    found = imported("maps", backbone, "gradcam")
    assert "torch" in found
    assert not {"timm", "torchvision", "torch._dynamo", "lightning_fabric", "numba", "pandas", "matplotlib"} & found


def test_what_no_classifier_is_needed_for_imports_no_torch(experiment) -> None:
    experiment()
    assert "torch" not in imported("specifications")
    assert "torch" not in imported("methods")
