"""Snakemake looks for jobs to start when one ends and once a second, not once a second for every one that has ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ..conftest import REPOSITORY
from .checkout import shell

JOBS = 40


@pytest.mark.slow
def test_looks_do_not_multiply(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f"""
include: "{REPOSITORY / "workflow/rules/scheduling.smk"}"
rule all:
    input: [f"out/{{number}}" for number in range({JOBS})]
rule one:
    output: "out/{{number}}"
    shell: "sleep 0.2; touch {{output}}"
"""
    )
    started = time.monotonic()
    said = shell(tmp_path, "snakemake", "--cores", "1", "--verbose")
    assert said.count("Ready jobs") <= JOBS + time.monotonic() - started + 5
