"""`ttame layers MODEL`: the layers of a classifier that maps can be made from."""

from __future__ import annotations

from pydantic import ValidationError

from ttame.backbones.layers import candidates
from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings, Settings
from ttame.report.markdown import markdown_table


def run(settings: Settings, model: str) -> str:
    """A table of the layers in execution order: name, kind, shape for one image, and what the rule chooses.

    Args:
        settings: the active experiment.
        model: a key of `models`, or the name of any model; its weights are not loaded.

    Raises:
        TTameError: when there is no such model, or it has no layer that the rule can choose.
    """
    try:
        known = settings.models.get(model) or ModelSettings(model=model, weights="none")
    except ValidationError:
        raise TTameError(f"{model!r} names no classifier; expected a key of models, or the name of one") from None
    backbone = load_backbone(model, known.model_copy(update={"weights": "none"}))
    rows = [
        [
            candidate.name,
            candidate.kind,
            " x ".join(str(length) for length in candidate.shape),
            str(candidate.layout),
            "yes" if candidate.name in backbone.layers else "",
            "yes" if candidate.name == backbone.target_layer else "",
        ]
        for candidate in candidates(backbone.trunk)
    ]
    headings = ["Layer", "Kind", "Shape", "Layout", "Feature layer", "Target layer"]
    return markdown_table(headings, rows, numbers_from=len(headings))
