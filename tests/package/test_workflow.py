"""The workflow where only its files were fetched and ttame is installed, as Snakemake's catalogue has it run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import ttame

from ..conftest import REPOSITORY
from ..pipeline.checkout import shell
from .conftest import empty_environment

pytestmark = pytest.mark.slow

DEPLOYED = """
configfile: "config/config.yaml"


module ttame:
    snakefile: "git+file://{tree}/workflow/Snakefile@deployed"
    config: config


use rule * from ttame
"""
"""What `snakedeploy deploy-workflow` writes, but for the place of the repository."""


@pytest.fixture
def deployed(tree, tmp_path, run) -> Path:
    shell(tree, "git", "tag", "--force", "deployed")
    folder: Path = tmp_path / "my photos"
    for name in ("config", "profiles"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / ".test/params.yaml", folder)
    (folder / "workflow").mkdir()
    (folder / "workflow/Snakefile").write_text(DEPLOYED.format(tree=tree))
    return folder


def test_a_deployed_workflow_runs_with_the_installed_package(deployed, run) -> None:
    pytest.importorskip("snakemake")
    target = "results/params/datalists/train.txt"
    run("-m", "snakemake", "--cores", "1", "--", target)
    assert len((deployed / target).read_text().splitlines()) == 24
    assert "tables" in run("-m", "snakemake", "--dry-run", "--cores", "1").stdout


def test_the_environment_of_conda_gets_the_lock_and_the_checkout(tree, tmp_path) -> None:
    """The script that Snakemake runs in it, where the packages are seen already, and with one of those of the lock."""
    lock = tmp_path / "requirements.lock"
    whole = (REPOSITORY / "requirements.lock").read_text()
    lock.write_text("".join(re.findall(r"^pillow==.*\n(?: .*\n)+", whole, re.MULTILINE)))
    program = empty_environment(tmp_path / "conda")
    environment = os.environ | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_BUILD_ISOLATION": "false",  # which is how pip spells that setuptools is here
        "PIP_NO_INDEX": "1",
        "TTAME_LOCK": str(lock),
        "TTAME_CHECKOUT": str(tree),
        "TTAME_VERSION": ttame.__version__,
    }
    script = REPOSITORY / "workflow/envs/ttame.post-deploy.sh"
    done = subprocess.run(["bash", str(script)], env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already satisfied: pillow" in done.stdout
    question = "import ttame; print(ttame.__file__)"
    found = subprocess.run([program, "-c", question], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert found.strip() == str(tree / "ttame/__init__.py")
