"""`ttame text-head MODEL --classes FILE`: a list of words as the head of an image tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ttame.backbones.zero_shot import KEY, TextHead, write_text_head
from ttame.cli.text_encoders import embed_classes, open_text_encoder
from ttame.errors import TTameError
from ttame.params.settings import ExecutionSettings, ModelSettings
from ttame.runtime.device import select_device
from ttame.runtime.progress import progress

TEMPLATES = ["a photo of a {}."]
"""CLIP's, where none are given."""


def run(model: str, weights: str, classes_file: Path, templates_file: Path | None, output: Path) -> str:
    """Write the head; what was done, and how an experiment uses it.

    Args:
        model: `hf:` or `open_clip:` and a name or a folder.
        weights: `default`, `none`, or the path of a state dict.
        classes_file: the names of the classes, one a line, in the order of the logits.
        templates_file: texts around a name, one a line, each with `{}`; None for one of CLIP's.
        output: the safetensors file.

    Raises:
        TTameError: for a list that is none, a model without a text tower, or an output that holds something else.
    """
    classes = _read_lines("--classes", classes_file, "the name of a class a line")
    if len(classes) < 2:
        raise TTameError(f"--classes: {classes_file}: has one class; expected two or more, one a line")
    templates = TEMPLATES
    if templates_file is not None:
        templates = _read_lines("--templates", templates_file, "a text a line, such as `a photo of a {}.`")
        for template in templates:
            if template.count("{}") != 1:
                raise TTameError(
                    f"--templates: {templates_file}: {template!r}: expected {{}} once, where the name goes"
                )
    _refuse_to_overwrite(output)
    try:
        settings = ModelSettings(model=model, weights=weights)
    except ValidationError:
        raise TTameError(f"{model!r} names no model; expected hf:FOLDER, hf:NAME or open_clip:NAME@TAG") from None
    encoder = open_text_encoder(settings, select_device(ExecutionSettings()))
    with progress(len(classes), "text-head", "classes") as bar:
        embeddings = embed_classes(encoder, classes, templates, bar.update)
    _refuse_same(classes_file, classes, embeddings)
    bias = None if encoder.bias is None else torch.full((len(classes),), encoder.bias)
    made_with = {"model": model, "weights": weights, "templates": list(templates)}
    write_text_head(output, TextHead(embeddings * encoder.scale, bias, classes, made_with))
    return (
        f"{output}: {len(classes)} classes of {model}, templates: {len(templates)}. To explain what it sees among "
        f"them, set\n  models.NAME: {{model: {model}, weights: {weights}, head: {output}}}\nin an experiment, or try\n"
        f"  python -m ttame show PHOTO --model {model} --weights {weights} --head {output}"
    )


def _read_lines(option: str, path: Path, expected: str) -> list[str]:
    """The lines of a text file that are not blank."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise TTameError(f"{option}: {path}: cannot be read ({reason}); expected a text file with {expected}") from None
    found = [line for line in lines if line]
    if not found:
        raise TTameError(f"{option}: {path}: is empty; expected {expected}")
    _refuse_twice(option, path, found)
    return found


def _refuse_twice(option: str, path: Path, lines: Sequence[str]) -> None:
    for line in lines:
        if lines.count(line) > 1:
            raise TTameError(f"{option}: {path}: {line!r} is listed twice; remove one")


def _refuse_same(path: Path, classes: Sequence[str], embeddings: Tensor) -> None:
    """Of texts that a tokenizer cuts off or does not know, and of a model without its tokenizer, nothing else tells."""
    seen: dict[bytes, str] = {}
    for name, row in zip(classes, embeddings, strict=True):
        other = seen.setdefault(row.numpy().tobytes(), name)
        if other != name:
            raise TTameError(
                f"--classes: {path}: {other!r} and {name!r} are the same to the text tower, whose tokenizer does not "
                "tell them apart; name them otherwise, or look whether the model's tokenizer is there"
            )


def _refuse_to_overwrite(output: Path) -> None:
    """Only a text head may be where the head goes, and not the weights of the model."""
    if output.suffix != ".safetensors" or output.is_dir():
        raise TTameError(f"--output: {output}: expected a file name that ends in .safetensors")
    if not output.exists():
        return
    try:
        with safe_open(output, "pt") as file:
            is_head = KEY in (file.metadata() or {})
    except SafetensorError:
        is_head = False
    if not is_head:
        raise TTameError(f"--output: {output} is there and no text head; choose another name, or delete it")
