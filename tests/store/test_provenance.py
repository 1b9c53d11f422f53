from __future__ import annotations

from pathlib import Path

import pytest

from ttame.params.settings import Settings
from ttame.store.provenance import read_records, recorded


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK", "SLURM_PROCID"])
def test_only_the_first_process_writes(tmp_path: Path, monkeypatch, capsys, variable) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings.model_validate({"experiment": "e", "backbones": ["shapes_cnn"]})
    monkeypatch.setenv(variable, "1")
    with recorded(settings, "tables", []):
        pass
    assert read_records(settings) == []
    monkeypatch.setenv(variable, "0")
    with recorded(settings, "tables", []):
        pass
    assert [record["stage"] for record in read_records(settings)] == ["tables"]
    for text in ("", "[]", "{}", "{"):
        Path("logs/e/stages/tables.json").write_text(text)
        assert read_records(settings) == []
        assert "tables.json: not the record of a stage" in capsys.readouterr().err
