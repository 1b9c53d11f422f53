"""What a schema cannot check of the params: names that point to other keys, and what the registry says of methods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ttame.errors import TTameError, suggestion
from ttame.explainers.registry import EXPLAINERS, BackboneKind, find, registered_name

if TYPE_CHECKING:
    from ttame.params.settings import LossSettings, Settings


def check_references(settings: Settings, source: str) -> None:
    """Check the names that point to other keys, and the methods against the registry.

    Raises:
        TTameError: naming the file and the key.
    """

    def known(names: Iterable[str], key: str, allowed: Iterable[str], where: str) -> None:
        for name in names:
            if name not in (allowed := list(allowed)):
                hint = suggestion(name, allowed) or f"; expected one of {', '.join(sorted(allowed)) or 'none'}"
                raise TTameError(f"{source}: {key}: {name!r} is not {where}{hint}")

    known(settings.backbones, "backbones", settings.models, "a key of models")
    known(settings.data.model_truths, "data.model_truths", settings.backbones, "one of backbones")
    methods, transformers = settings.methods, settings.methods.on_transformers
    known(transformers.backbones, "methods.on_transformers.backbones", settings.backbones, "one of backbones")
    lists: list[tuple[str, list[str], bool, BackboneKind]] = [
        ("methods.training_free", methods.training_free, False, "CNN"),
        ("methods.trained", methods.trained, True, "CNN"),
        ("methods.on_transformers.training_free", transformers.training_free, False, "transformer"),
        ("methods.on_transformers.trained", transformers.trained, True, "transformer"),
    ]
    for key, names, trained, kind in lists:
        _check_methods(names, key, trained, kind, source)
        section = "attention" if trained else "explainers"
        known(names, key, settings.attention if trained else settings.explainers, f"a key of {section}")
    for method in methods.all:
        if methods.all.count(method) > 1:
            raise TTameError(f"{source}: methods: {method} is listed twice; on_transformers adds to the other lists")
    for backbone in settings.backbones:
        for method in methods.trained_of(backbone):
            rates = settings.attention[method].learning_rate
            known([backbone], f"attention.{method}.learning_rate", rates, "given a learning rate")
        if not methods.of(backbone):
            raise TTameError(f"{source}: methods: no method is listed for {backbone}; add at least one")
    for method in (*methods.trained, *transformers.trained):
        _check_loss(method, settings.attention[method].loss, source)
        recipe = settings.attention[method].recipe
        if recipe.sharpness > 0 and recipe.accumulate > 1:
            raise TTameError(
                f"{source}: attention.{method}.recipe.sharpness: needs accumulate: 1, since it computes the gradient "
                "of one batch twice; set one of the two"
            )
        checkpoints = settings.attention[method].checkpoints
        known(checkpoints, f"attention.{method}.checkpoints", settings.backbones, "one of backbones")
    if "ground_truth" in settings.methods.training_free and settings.data.source != "shapes":
        raise TTameError(f"{source}: methods.training_free: ground_truth needs data.source: shapes; remove it")
    if settings.data.source != "shapes":
        for split in settings.data.roots:
            if settings.data.roots[split] is None:
                raise TTameError(f"{source}: data.roots.{split}: the folder of the images is missing; give its path")


def _check_methods(names: Sequence[str], key: str, trained: bool, kind: BackboneKind, source: str) -> None:
    """Methods are registered, of the right sort, and defined on that kind of backbone."""
    wanted = "a method that is trained" if trained else "a method that needs no training"
    allowed = [name for name, entry in EXPLAINERS.items() if entry.needs_training == trained]
    for name in names:
        if registered_name(name) not in allowed:
            hint = suggestion(name, allowed) or f"; expected one of {', '.join(sorted(allowed))}"
            raise TTameError(f"{source}: {key}: {name!r} is not {wanted}{hint}")
        if kind not in find(name).works_on:
            raise TTameError(
                f"{source}: {key}: {name!r} is defined on transformers alone; list it in methods.on_transformers"
            )


def _check_loss(method: str, loss: LossSettings, source: str) -> None:
    training = find(method).training
    if training and training.cross_entropy_only and (loss.area or loss.variation):
        raise TTameError(
            f"{source}: attention.{method}.loss: {method} is trained with the cross-entropy alone; set area and "
            "variation to 0"
        )
