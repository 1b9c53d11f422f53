"""What the name of a model says, and heads that do not fit one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ttame.errors import TTameError
from ttame.params.model_source import folder_of, is_function, split_library
from ttame.params.reading import parse_settings


def test_a_name_tells_whose_model_it_is(tmp_path: Path) -> None:
    assert split_library("hf:google/vit") == ("hf", "google/vit")
    assert split_library("open_clip:ViT-B-32@openai") == ("open_clip", "ViT-B-32@openai")
    assert split_library("my_models:build") == (None, "my_models:build")
    assert is_function("my_models:build")
    assert not is_function("hf:google/vit")
    assert folder_of(f"hf:{tmp_path}") == tmp_path
    for named in ("hf:google/vit", str(tmp_path), "hf:", "open_clip:", "hf:" + "x" * 5000):
        assert folder_of(named) is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"head": "head.safetensors"}, "'shapes_cnn' has a head of its own; expected null, or an image tower"),
        ({"head": 3}, "3 should be a valid string"),
        ({"head": ""}, "should have at least 1 character"),
        ({"model": "open_clip:ViT-B-32"}, "has no classes of its own; expected a file that `python -m ttame text-head"),
    ],
)
def test_a_head_that_does_not_fit_is_named(params: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    params["models"]["shapes_cnn"] |= changes
    with pytest.raises(TTameError, match=r"^params: models\.shapes_cnn\.head: ") as caught:
        parse_settings(params)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
