"""What a run says."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ..conftest import REPOSITORY

snakemake = pytest.importorskip("snakemake_interface_logger_plugins.common")
EVENTS = snakemake.LogEvent


@pytest.fixture
def said(tmp_path: Path) -> Any:
    """A function from an event and what comes with it to the line that a run says; None for nothing."""
    workflow = SimpleNamespace(modifier=SimpleNamespace(is_main_snakefile=lambda: False))
    rules: dict[str, Any] = {"os": os, "sys": sys, "Path": Path, "workflow": workflow}
    exec((REPOSITORY / "workflow/rules/messages.smk").read_text(), rules)
    lines = rules["OneLineAJob"]()

    def say(event: Any, message: str = "", **extra: Any) -> str | None:
        record = logging.LogRecord("snakemake", logging.ERROR, "", 0, message, (), None)
        record.__dict__.update(extra, event=event)
        return record.getMessage() if lines.filter(record) else None

    return say


def test_a_job_counts_once_and_not_when_another_attempt_succeeds(said, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("ttame: no space left\n")
    failure = {"rule_name": "maps", "log": [str(tmp_path / "log")]}
    for job in (3, 3, 5, 7):
        assert said(EVENTS.JOB_ERROR, jobid=job, **failure) is None
    assert said(EVENTS.JOB_FINISHED, job_id=5) is None
    end = said(EVENTS.ERROR, "At least one job did not complete successfully.", exception="WorkflowError")
    assert end.splitlines() == [
        "2 failed; what is finished is kept",
        *[f"maps ({tmp_path / 'log'}): no space left"] * 2,
    ]


def test_nothing_failed_that_succeeded_in_the_end(said) -> None:
    said(EVENTS.JOB_ERROR, jobid=3, rule_name="maps", log=[])
    said(EVENTS.JOB_FINISHED, job_id=3)
    message = "At least one job did not complete successfully."
    assert said(EVENTS.ERROR, message, exception="WorkflowError") == message
