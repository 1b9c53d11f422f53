from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ttame.store.growing_file import write_rows

TENSORS = {
    "maps": torch.randn(7, 3, 5),
    "targets": torch.arange(7),
    "half": torch.randn(7, 2).half(),
    "double": torch.randn(7, dtype=torch.float64),
    "above": torch.randn(7, 3, 5),
}
METADATA = {"facts": '{"names": ["é", "\\"quoted\\"", "a\\nb"]}'}


@pytest.mark.parametrize("sizes", [[7], [3, 4], [1] * 7])
def test_the_bytes_are_those_of_safetensors(sizes: list[int], tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "whole", METADATA)
    split = {name: tensor.split(sizes) for name, tensor in TENSORS.items()}
    pieces = [{name: parts[place] for name, parts in split.items()} for place in range(len(sizes))]
    write_rows(tmp_path / "grown", 7, pieces, METADATA)
    assert (tmp_path / "grown").read_bytes() == (tmp_path / "whole").read_bytes()


def test_rows_of_another_size_are_refused(tmp_path: Path) -> None:
    narrower = TENSORS | {"maps": torch.randn(7, 3, 4)}
    with pytest.raises(ValueError, match=r"maps: \(7, 3, 4\) does not continue the rows before it"):
        write_rows(tmp_path / "grown", 14, [TENSORS, narrower], METADATA)


def test_other_numbers_of_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 rows for a file of 8"):
        write_rows(tmp_path / "grown", 8, [TENSORS], METADATA)
