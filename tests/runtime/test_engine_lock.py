from __future__ import annotations

import os
from typing import TextIO

import pytest

from ttame.errors import TTameError
from ttame.runtime import engine_lock


def test_a_second_run_is_told_of_the_first_and_begins_after_its_end(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    held: list[TextIO] = []
    monkeypatch.setattr(engine_lock, "_held", held)
    engine_lock.hold("snakemake --cores all")
    with pytest.raises(TTameError, match=f"process {os.getpid()}: snakemake --cores all.*wait for its end"):
        engine_lock.hold("snakemake")
    held.pop().close()  # as the system does with a process that is killed
    engine_lock.hold("snakemake")
    held.pop().close()


def test_a_stage_of_dvc_is_told_of_a_run_of_snakemake_but_not_of_its_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    held: list[TextIO] = []
    monkeypatch.setattr(engine_lock, "_held", held)
    for name in ("DVC_STAGE", "TTAME_ENGINE"):
        monkeypatch.delenv(name, raising=False)
    engine_lock.hold("snakemake --cores all")
    engine_lock.hold_for_dvc()
    monkeypatch.setenv("DVC_STAGE", "maps")
    with pytest.raises(TTameError, match="snakemake --cores all"):
        engine_lock.hold_for_dvc()
    held.pop().close()
    engine_lock.hold_for_dvc()
    engine_lock.hold_for_dvc()  # in a process of the same training
    monkeypatch.delenv("TTAME_ENGINE")
    with pytest.raises(TTameError, match="dvc repro"):
        engine_lock.hold("snakemake")
    held.pop().close()
