from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ttame.errors import TTameError
from ttame.store.statistics_file import KEYS, STATISTICS, read_statistics, write_statistics

ROWS = [
    ["cnn", "gradcam", "all", "adcc", 1 / 3, 0.1, 0.9, 12.3456789, 0.0499999, "best"],
    ["cnn", "gradcam", "seen in training", "adcc", 0.5, 0.1, 0.9, 12.0, 0.04, "best"],
    ["cnn", "rise", "all", "adcc", 0.25, 0.1, 0.9, None, None, ""],
    ["vit", "lrp", "all", "adcc", 0.75, None, None, None, None, ""],
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "statistics.csv"
    write_statistics(path, pd.DataFrame(ROWS, columns=KEYS + STATISTICS))
    return path


def test_those_of_a_backbone_on_all_images_come_back(file) -> None:
    found = read_statistics(file, "cnn", {"rise": ["adcc"], "gradcam": ["adcc"]})
    assert found.index.tolist() == [("gradcam", "adcc"), ("rise", "adcc")]
    assert found["mean"].tolist() == pytest.approx([1 / 3, 0.25], rel=1e-8)
    assert found["p_value"].iloc[0] < 0.05
    assert found["mark"].tolist() == ["best", ""]
    assert read_statistics(file, "vit", {"lrp": ["adcc"]})["mark"].tolist() == [""]


def test_missing_and_other_statistics_are_refused_in_one_line(file) -> None:
    with pytest.raises(TTameError, match=r"nowhere.csv: no such statistics; run `python -m ttame tables` first"):
        read_statistics(file.with_name("nowhere.csv"), "cnn", {"rise": ["adcc"]})
    with pytest.raises(TTameError, match="not the statistics of the methods that have scores on cnn"):
        read_statistics(file, "cnn", {"gradcam": ["adcc"]})
    for text in ("", "a,b\n1,2\n", '"'):
        file.write_text(text)
        with pytest.raises(TTameError, match=r"not statistics .*; run `python -m ttame tables` again") as error:
            read_statistics(file, "cnn", {"rise": ["adcc"]})
        assert "\n" not in str(error.value)
