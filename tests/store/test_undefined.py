from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from ttame.errors import NotDefined
from ttame.store.undefined import is_defined, refuse_undefined, write_undefined

REASON = 'tame is defined on "transformers" alone, and x is none'


@pytest.mark.parametrize("ending", ["safetensors", "parquet", "csv", "json"])
def test_every_kind_of_artifact_says_why_there_is_nothing(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"pair.{ending}"
    write_undefined(path, REASON)
    assert not is_defined(path)
    with pytest.raises(NotDefined) as caught:
        refuse_undefined(path)
    assert str(caught.value) == REASON
    first = path.read_bytes()
    write_undefined(path, REASON)
    assert path.read_bytes() == first


def test_artifacts_with_values_are_defined(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a"], "value": [1.0]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    save_file({"maps": torch.zeros(2)}, tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text('{"seconds": 1}')
    (tmp_path / "broken.parquet").write_bytes(b"broken")
    for path in tmp_path.iterdir():
        assert is_defined(path), "a broken file is the reader's to name"
    refuse_undefined(tmp_path / "missing.csv")
