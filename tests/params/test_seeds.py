"""The seeds of the trained methods, as the params say them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ttame.errors import TTameError
from ttame.params.reading import parse_settings


def _given(seeds: Any, checkpoint: str = "published.ckpt") -> dict[str, Any]:
    return {
        "experiment": "tiny",
        "data": {"source": "shapes"},
        "backbones": ["shapes_cnn"],
        "models": {"shapes_cnn": {"model": "shapes_cnn"}},
        "methods": {"training_free": ["center"], "trained": ["ttame"], "seeds": seeds},
        "attention": {"ttame": {"checkpoints": {"shapes_cnn": checkpoint}}},
    }


def test_methods_that_are_trained_have_the_seeds_and_the_others_none() -> None:
    methods = parse_settings(_given([4, 0], "{seed}.ckpt")).methods
    assert list(methods.seeds_of("ttame")) == [4, 0]
    assert list(methods.seeds_of("center")) == [None]
    assert methods.first_seed_of("ttame") == 4


def test_every_seed_imports_a_checkpoint_of_its_own() -> None:
    attention = parse_settings(_given([1, 2], "published/{seed}.ckpt")).attention["ttame"]
    assert attention.imported("shapes_cnn", 2) == Path("published/2.ckpt")
    assert attention.imported("shapes_vit", 2) is None
    assert parse_settings(_given([7])).attention["ttame"].imported("shapes_cnn", 7) == Path("published.ckpt")


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([1, 2], "attention.ttame.checkpoints.shapes_cnn: 'published.ckpt' is one training.*methods.seeds asks for 2"),
        ([], "methods.seeds"),
        ([1, 1], "methods.seeds: 1 is listed twice"),
        ([-1], "methods.seeds.0: -1 should be greater than or equal to 0"),
        ([1.0], "methods.seeds.0: 1.0 should be a valid integer"),
        (3, "methods.seeds: 3 should be a valid list"),
    ],
)
def test_mistakes_are_one_line(seeds: Any, message: str) -> None:
    with pytest.raises(TTameError, match=message) as caught:
        parse_settings(_given(seeds))
    assert "\n" not in str(caught.value)
