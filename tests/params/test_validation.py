from __future__ import annotations

import numpy as np
import pytest
import torch

from ttame.errors import TTameError
from ttame.explainers.options import NoOptions, RISEOptions
from ttame.params.evaluation import RoadSettings
from ttame.params.validation import validated


def test_numbers_of_numpy_and_torch_and_tuples_are_taken() -> None:
    found = validated(RISEOptions, {"masks": np.int64(7), "keep": torch.tensor(0.25)}, "rise")
    assert (found.masks, found.keep) == (7, 0.25)
    assert validated(RoadSettings, {"shares": (np.int32(10), 50)}, "road").shares == [10, 50]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (RISEOptions, {"mask": 1}, r"^mask: no option of x; did you mean 'masks'\?$"),
        (
            RISEOptions,
            {"sigma": 1},
            "^sigma: no option of x; expected one of largest, precision, masks, cells, keep, scores, seed$",
        ),
        (NoOptions, {"sigma": 1}, "^sigma: no option of x; it has none$"),
        (RISEOptions, {"masks": np.float64(2.5)}, r"^masks: 2\.5 should be a valid integer"),
        (RISEOptions, {"masks": np.zeros(2)}, "^masks: array"),
        (RoadSettings, {"shares": (10, 10)}, "^shares: 10 is listed twice"),
    ],
)
def test_a_mistake_is_said_of_its_name(kind, values, message) -> None:
    with pytest.raises(TTameError, match=message):
        validated(kind, values, "x")
