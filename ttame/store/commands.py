"""The commands that make artifacts, as a message tells them and a person types them."""

from __future__ import annotations


def command_of(
    stage: str, backbone: str, method: str, seed: int | None, measure: str | None = None, part: object = None
) -> str:
    """The command of a stage for one method, without `python -m`.

    >>> command_of("maps", "shapes_cnn", "ttame", 1)
    'ttame maps shapes_cnn ttame --seed 1'
    """
    words = ["ttame", stage, backbone, method, *([] if measure is None else [measure])]
    words += [] if seed is None else ["--seed", str(seed)]
    return " ".join([*words, *([] if part is None else ["--part", str(part)])])
