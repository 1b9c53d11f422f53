"""Killed trainings are tried on the experiment of the stages."""

from __future__ import annotations

from ..stages.conftest import experiment

__all__ = ["experiment"]
