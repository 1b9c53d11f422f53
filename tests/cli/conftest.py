"""The commands are tried on the experiment of the stages."""

from __future__ import annotations

from ..stages.conftest import experiment, run

__all__ = ["experiment", "run"]
