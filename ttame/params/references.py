"""What a type cannot say of the params: names that point to other keys, and what the registry says of methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ttame.errors import TTameError, suggestion
from ttame.explainers.registry import EXPLAINERS, find, registered_name
from ttame.params.attention import AttentionSettings
from ttame.params.section import SPLITS
from ttame.params.settings import Settings

LABELLED = re.compile(r"[a-z0-9_+]+(-[A-Za-z0-9_]+)?")
"""A method's name stands in commands and paths."""


def check_references(settings: Settings, source: str) -> None:
    """Check the names that point to other keys, and the methods against the registry.

    Raises:
        TTameError: naming the file and the key.
    """
    try:
        _check_backbones(settings)
        _check_methods(settings)
        for method in settings.methods.trained:
            _check_training(settings, method, settings.attention[method])
        _check_data(settings)
    except TTameError as error:
        raise TTameError(f"{source}: {error}") from None


def _check_backbones(settings: Settings) -> None:
    _known(settings.data.model_truths, "data.model_truths", settings.backbones, "one of backbones")


def _check_methods(settings: Settings) -> None:
    methods = settings.methods
    for key, names, trained in (
        ("methods.training_free", methods.training_free, False),
        ("methods.trained", methods.trained, True),
        ("attention", list(settings.attention), True),
    ):
        wanted = "a method that is trained" if trained else "a method that needs no training"
        allowed = [name for name, entry in EXPLAINERS.items() if entry.needs_training == trained]
        _known(names, key, allowed, wanted, [registered_name(name) for name in names])
        for name in names:
            if not LABELLED.fullmatch(name):
                raise TTameError(f"{key}: {name!r}: a label should be of letters, digits and _, as in ttame-two_layers")
    if not methods.all:
        raise TTameError("methods: no method is listed; add at least one")


def _check_training(settings: Settings, method: str, attention: AttentionSettings) -> None:
    if isinstance(attention.learning_rate, dict):
        rates = list(attention.learning_rate)
        _known(settings.backbones, f"attention.{method}.learning_rate", rates, "given a learning rate")
    training = find(method).training
    if training and training.cross_entropy_only and (attention.loss.area or attention.loss.variation):
        raise TTameError(
            f"attention.{method}.loss: {method} is trained with the cross-entropy alone; set area and variation to 0"
        )
    for key in ("blurred_fill", "complement"):
        if training and training.masks == "features" and getattr(attention.loss, key):
            raise TTameError(f"attention.{method}.loss.{key}: {method} masks features, not the image; set it to 0")
    if attention.recipe.sharpness > 0 and attention.recipe.accumulate > 1:
        raise TTameError(
            f"attention.{method}.recipe.sharpness: needs accumulate: 1, since it computes the gradient of one batch "
            "twice; set one of the two"
        )
    _known(attention.checkpoints, f"attention.{method}.checkpoints", settings.backbones, "one of backbones")


def _check_data(settings: Settings) -> None:
    if settings.data.source == "shapes":
        return
    if "ground_truth" in settings.methods.training_free:
        raise TTameError("methods.training_free: ground_truth needs data.source: shapes; remove it")
    for split in SPLITS:
        if settings.data.roots[split] is None:
            raise TTameError(f"data.roots.{split}: the folder of the images is missing; give its path")


def _known(
    names: Iterable[str], key: str, allowed: Sequence[str], wanted: str, looked_up: Iterable[str] | None = None
) -> None:
    names = list(names)
    for name, found in zip(names, looked_up or names, strict=True):
        if found not in allowed:
            hint = suggestion(name, allowed) or f"; expected one of {', '.join(sorted(allowed)) or 'none'}"
            raise TTameError(f"{key}: {name!r} is not {wanted}{hint}")
