"""Whose model a name is, and the folder that it names. No library is imported to tell that."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ttame.store.digests import is_there

HUGGING_FACE: Literal["hf"] = "hf"
OPEN_CLIP: Literal["open_clip"] = "open_clip"

Library = Literal["hf", "open_clip"]


def split_library(model: str) -> tuple[Library | None, str]:
    """`hf:google/vit` to ("hf", "google/vit"); None for a model of ours, torchvision, timm or the user's."""
    for library in (HUGGING_FACE, OPEN_CLIP):
        if model.startswith(f"{library}:"):
            return library, model.removeprefix(f"{library}:")
    return None, model


def is_function(model: str) -> bool:
    """Whether a name is `package.module:function`, code of the user's."""
    return ":" in model and split_library(model)[0] is None


def folder_of(model: str) -> Path | None:
    """The folder that a model is read from; None where a name means none here."""
    library, source = split_library(model)
    if library is None or not source or not is_there(Path(source)):
        return None
    return Path(source) if Path(source).is_dir() else None


def mistake_of_head(model: str, head: str | None) -> str | None:
    """What is wrong with the head of a model, as far as their names tell; None where nothing is."""
    library, _ = split_library(model)
    if library is None and head is not None:
        return f"{model!r} has a head of its own; expected null, or an image tower (hf:, open_clip:) as the model"
    if library == OPEN_CLIP and head is None:
        return missing_head(model)
    return None


def missing_head(model: str) -> str:
    """What to say of an image tower without a head."""
    return (
        f"{model} compares images with texts and has no classes of its own; expected a file that `python -m ttame "
        f"text-head {model} --classes FILE --output head.safetensors` makes"
    )
