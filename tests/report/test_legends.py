"""What is said of columns is said of the columns that are there."""

from __future__ import annotations

import pytest

from tests.report.test_measure_checks import METRICS
from ttame.report.legends import legend


@pytest.mark.parametrize("coherency", [True, False])
def test_a_measure_is_explained_where_it_is_taken(coherency) -> None:
    said = legend(METRICS.model_copy(update={"coherency": coherency, "shares": [80, 7]}), "\nMine: a number.\n")
    assert ("ADCC" in said) == coherency
    assert "80, 7 %" in said
    assert "Mine: a number." in said
