"""What a failed or killed run leaves: what was finished, and nothing to clean by hand."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import REPOSITORY
from ..stages.conftest import tiny_params
from .checkout import BINARIES, copy_checkout, shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed"),
]

LIST = "results/tiny/datalists/train.txt"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    params: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    return copy_checkout(tmp_path_factory.mktemp("faults"), tiny_params(params))


@pytest.mark.parametrize(
    "engine", [["snakemake", "--cores", "1", LIST], ["dvc", "repro", "datalists"]], ids=lambda e: e[0]
)
def test_a_failed_job_leaves_what_was_there(checkout: Path, engine: list[str]) -> None:
    shell(checkout, *engine)
    before = (checkout / LIST).read_bytes()
    stage = checkout / "ttame/stages/datalists.py"
    code = stage.read_text()
    stage.write_text(code + "\n\ndef run(_):\n    raise TTameError('a bad photo')\n")
    try:
        said = shell(checkout, *engine, check=False)
        assert "a bad photo" in said
        if engine[0] == "dvc":  # it deletes what a stage is about to make, and has it in its cache
            assert "ttame: a bad photo; `dvc checkout datalists@tiny` brings the former results back" in said
            shell(checkout, "dvc", "checkout", "datalists@tiny")
        assert (checkout / LIST).read_bytes() == before
        assert "a bad photo" in shell(checkout, *engine, check=False), "the old file was recorded as the new one"
    finally:
        stage.write_text(code)
    shell(checkout, *engine)
    assert (checkout / LIST).read_bytes() == before


def test_what_a_killed_run_left_unfinished_stays_so_when_its_job_fails(checkout: Path) -> None:
    engine = ["snakemake", "--cores", "1", LIST]
    shell(checkout, *engine)
    # As Snakemake marks the outputs of a job until it has ended.
    mark = checkout / ".snakemake/incomplete" / base64.b64encode(LIST.encode()).decode()
    mark.write_text(json.dumps({"external_jobid": None}))
    stage = checkout / "ttame/stages/datalists.py"
    code = stage.read_text()
    stage.write_text(code + "\n\ndef run(_):\n    raise TTameError('a bad photo')\n")
    try:
        assert "a bad photo" in shell(checkout, *engine, check=False)
    finally:
        stage.write_text(code)
    assert mark.exists(), "files of two runs may lie beside each other, and none would be made again"
    shell(checkout, *engine)
    assert not mark.exists()
