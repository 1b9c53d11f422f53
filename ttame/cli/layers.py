"""`ttame layers MODEL`: the layers of a classifier that maps can be made from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import ValidationError

from ttame.backbones.layers import NoLayers, candidates
from ttame.backbones.loading import load_backbone
from ttame.backbones.trunk import Trunk
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings, Settings
from ttame.report.markdown import markdown_table


def run(settings: Settings, model: str) -> str:
    """A table of the layers in execution order: name, kind, shape for one image, and what the rule chooses.

    Where the rule chooses nothing, the table has what there is to choose from, or why there is nothing, and a line
    below it says what to do.

    Args:
        settings: the active experiment.
        model: a key of `models`, or the name of any model; its weights are not loaded.

    Raises:
        TTameError: when there is no such model.
    """
    try:
        known = settings.models.get(model) or ModelSettings(model=model, weights="none")
    except ValidationError:
        raise TTameError(f"{model!r} names no classifier; expected a key of models, or the name of one") from None
    try:
        backbone = load_backbone(model, known.model_copy(update={"weights": "none"}))
    except NoLayers as refusal:
        return _nothing_chosen(refusal, model)
    return _able(backbone.trunk, backbone.layers, backbone.target_layer)


def _able(trunk: Trunk, chosen: Collection[str] = (), target: str = "") -> str:
    rows = [
        [
            candidate.name,
            candidate.kind,
            _words(candidate.shape),
            str(candidate.layout),
            "yes" if candidate.name in chosen else "",
            "yes" if candidate.name == target else "",
        ]
        for candidate in candidates(trunk)
    ]
    headings = ["Layer", "Kind", "Shape", "Layout", "Feature layer", "Target layer"]
    return markdown_table(headings, rows, numbers_from=len(headings))


def _nothing_chosen(refusal: NoLayers, model: str) -> str:
    if candidates(refusal.trunk):
        table, what_to_do = _able(refusal.trunk), "name one to three of these"
    else:
        rows = [
            [step.name, type(step.module).__name__, _words(step.shape[1:]), reason]
            for step, reason in refusal.trunk.refused()
        ]
        table = markdown_table(["Layer", "Kind", "Shape", "Not read, since it"], rows, numbers_from=4)
        what_to_do = (
            "let what has the positions of the image, (B, C, h, w), (B, h, w, C) or (B, tokens, C), pass a module of "
            "its own (an nn.Identity will do), and name that"
        )
    return (
        f"{table}\nNothing is chosen for {model}: {refusal.reason}. To explain it, {what_to_do} as layers, and the "
        "last of them as target_layer: under its key of models in params.yaml, or as arguments of ttame.open_model and "
        "ttame.wrap."
    )


def _words(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
