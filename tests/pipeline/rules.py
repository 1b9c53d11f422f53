"""The functions of the workflow's rules, without Snakemake."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ..conftest import REPOSITORY

FILES = ("common", "parts", "resources")


class WorkflowError(Exception):
    """What Snakemake's rules raise."""


def rules(*, is_main_process: bool = True) -> dict[str, Any]:
    """Names of the rules' files as an engine has them that reads params.yaml of the current folder."""
    here = REPOSITORY / "workflow/rules"
    workflow = SimpleNamespace(
        current_basedir=SimpleNamespace(get_path_or_uri=lambda secret_free: str(here)),
        is_main_process=is_main_process,
    )
    found: dict[str, Any] = {"workflow": workflow, "WorkflowError": WorkflowError}
    for name in FILES:
        exec(Path(here, f"{name}.smk").read_text(), found)
    return found
