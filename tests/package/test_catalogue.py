"""What Snakemake's catalogue and its environments are told of the workflow."""

from __future__ import annotations

import hashlib
import re

import yaml

import ttame

from ..conftest import REPOSITORY


def test_the_catalogue_finds_what_it_asks_for() -> None:
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    rules = (REPOSITORY / "workflow/rules/stages.smk").read_text()
    conda, container = (re.search(rf"^ +{word}:$", rules, re.MULTILINE) is not None for word in ("conda", "container"))
    expected = {"conda": conda, "apptainer": container, "apptainer+conda": conda and container}
    assert usage["software-stack-deployment"] == expected
    for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"):
        assert (REPOSITORY / name).is_file()


def test_another_lock_or_version_makes_another_environment() -> None:
    """Snakemake's digest of it is of its files alone, so that what comes in by variables has to be said in one."""
    script = (REPOSITORY / "workflow/envs/ttame.post-deploy.sh").read_text()
    digest = hashlib.sha256((REPOSITORY / "requirements.lock").read_bytes()).hexdigest()[:12]
    assert f"requirements.lock {digest}, ttame {ttame.__version__}\n" in script, "see `make lock`"
