"""The workflow outside its repository: by `--snakefile`, and as a module of another workflow."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ..conftest import REPOSITORY
from .checkout import BINARIES, shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (BINARIES / "snakemake").exists(), reason="the engines are not installed"),
]

HOST = f"""
module ttame:
    snakefile: "{REPOSITORY}/workflow/Snakefile"
    config: config


use rule * from ttame as ttame_*


rule mine:
    default_target: True
    input: "results/params/maps/shapes_cnn/center.safetensors"
    output: "size.txt"
    shell: "wc --bytes < {{input}} > {{output}}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the experiment of `.test` and nothing else, whose name has a space."""
    made = tmp_path / "some where"
    made.mkdir()
    shutil.copy(REPOSITORY / ".test" / "params.yaml", made)
    return made


def test_the_workflow_runs_in_a_folder_that_is_not_its_own(folder: Path) -> None:
    command = ("snakemake", "--cores", "2", "--snakefile", str(REPOSITORY / "Snakefile"))
    output = shell(folder, *command)
    assert re.search(r"^ *\d+/21 \[=+ *\] +\d+ % +\d\d:\d\d left  tables$", output, re.MULTILINE), "a line a job"
    assert re.search(r"^21/21 \[={10}\] 100 % \d\d:\d\d in all", output, re.MULTILINE)
    assert "T-TAME" in (folder / "results/params/tables/results.md").read_text()
    assert (folder / "results/params/page/index.html").exists()
    assert "Nothing to be done" in shell(folder, *command, "--dry-run")
    report = shell(folder, *command, "--report", "report.zip")
    assert (folder / "report.zip").exists(), report


def test_another_workflow_uses_it_as_a_module(folder: Path) -> None:
    (folder / "Snakefile").write_text(HOST)
    (folder / "config").mkdir()
    output = shell(folder, "snakemake", "--cores", "2")
    assert "Elapsed time" in output, "the log is as Snakemake writes it for the host"
    assert int((folder / "size.txt").read_text()) > 1000
    assert "ttame_tables" in shell(folder, "snakemake", "--dry-run", "--cores", "2", "ttame_all")


def test_without_params_one_line_says_what_to_do(folder: Path) -> None:
    (folder / "params.yaml").unlink()
    said = shell(folder, "snakemake", "--dry-run", "--snakefile", str(REPOSITORY / "workflow/Snakefile"), check=False)
    assert "params.yaml: no such file; run from the folder that holds it" in said
    assert "Traceback" not in said
