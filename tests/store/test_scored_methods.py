"""Scores of many methods: those that fit stay in memory, the others are read when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pandas as pd
import pytest

from ttame.store import scored_methods
from ttame.store.scored_methods import StoredScores


@pytest.fixture
def reads() -> Counter[str]:
    return Counter()


@pytest.fixture
def scores(reads: Counter[str], monkeypatch) -> StoredScores:
    """Of three methods with eight numbers each, of which two fit."""
    monkeypatch.setattr(scored_methods, "HELD", 20)

    def reader(method: str) -> Callable[[], pd.DataFrame]:
        def read() -> pd.DataFrame:
            reads[method] += 1
            return pd.DataFrame({"name": ["a", "b", "c", "d"], "probability": len(reads)})

        return read

    return StoredScores({method: reader(method) for method in ("first", "second", "third")})


def test_every_file_is_read_before_anything_is_computed(scores, reads) -> None:
    assert reads == {"first": 1, "second": 1, "third": 1}
    assert list(scores) == ["first", "second", "third"]
    assert "third" in scores
    assert len(scores) == 3
    assert reads.total() == 3


def test_what_does_not_fit_is_read_again_and_nothing_else(scores, reads) -> None:
    for _ in range(2):
        assert [table["probability"].iloc[0] for table in scores.values()] == [1, 2, 3]
    assert reads == {"first": 1, "second": 1, "third": 3}
