"""What a type cannot say of the params: names that point to other keys, and what the registry says of methods."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from ttame.errors import suggestion
from ttame.explainers.registry import EXPLAINERS, find, registered_name
from ttame.measures.registry import MEASURES
from ttame.params.attention import SEED_IN_PATH, AttentionSettings
from ttame.params.model_source import mistake_of_head
from ttame.params.section import SPLITS
from ttame.params.settings import Settings
from ttame.params.written import Mistake, Place

BACKBONES: Place = ("backbones",)
SOURCE: Place = ("data", "source")

LABELLED = re.compile(r"[a-z0-9_+]+(-[A-Za-z0-9_]+)?")
"""A method's name stands in commands and paths."""


def check_references(settings: Settings) -> None:
    """Check the names that point to other keys, and the methods against the registry.

    Raises:
        Mistake: at the key.
    """
    _check_backbones(settings)
    _check_methods(settings)
    for method in settings.methods.trained:
        _check_training(settings, method, settings.attention[method])
    for measure in settings.measures.taken:
        _known(measure, list(MEASURES), ("measures", "taken"), "a measure")
    _check_data(settings)


def _check_backbones(settings: Settings) -> None:
    for name in settings.data.model_truths:
        _known(name, settings.backbones, ("data", "model_truths"), "one of backbones", related=[BACKBONES])
    for name, model in settings.models.items():
        if (problem := mistake_of_head(model.model, model.head)) is not None:
            raise Mistake(("models", name, "head"), problem, related=[("models", name, "model")])


def _check_methods(settings: Settings) -> None:
    methods = settings.methods
    for name in methods.training_free:
        _check_method(name, ("methods", "training_free"), trained=False)
    for name in methods.trained:
        _check_method(name, ("methods", "trained"), trained=True)
    for name in settings.attention:
        _check_method(name, ("attention", name), trained=True, inside=True)
    if not methods.all:
        raise Mistake(("methods",), "no method is listed; add at least one")


def _check_method(name: str, place: Place, trained: bool, inside: bool = False) -> None:
    wanted = "a method that is trained" if trained else "a method that needs no training"
    allowed = [known for known, entry in EXPLAINERS.items() if entry.needs_training == trained]
    _known(name, allowed, place, wanted, looked_up=registered_name(name), inside=inside)
    if not LABELLED.fullmatch(name):
        problem = f"{name!r}: a label should be of letters, digits and _, as in ttame-two_layers"
        raise Mistake(place, problem, inside=inside)


def _check_training(settings: Settings, method: str, attention: AttentionSettings) -> None:
    own: Place = ("attention", method)
    if isinstance(attention.learning_rate, dict):
        place, rates = (*own, "learning_rate"), list(attention.learning_rate)
        for backbone in settings.backbones:
            _known(backbone, rates, place, "given a learning rate", related=[BACKBONES])
    for backbone in attention.by_backbone:
        _known(backbone, settings.backbones, (*own, "by_backbone"), "one of backbones", related=[BACKBONES])
    for backbone in settings.backbones:
        check_on_backbone(method, attention, backbone)
    for backbone, path in attention.checkpoints.items():
        _known(backbone, settings.backbones, (*own, "checkpoints"), "one of backbones", related=[BACKBONES])
        if len(settings.methods.seeds) > 1 and SEED_IN_PATH not in path:
            problem = (
                f"{path!r} is one training, and methods.seeds asks for {len(settings.methods.seeds)}; put "
                f"{SEED_IN_PATH} where its name has the seed, or ask for one"
            )
            raise Mistake((*own, "checkpoints", backbone), problem, related=[("methods", "seeds")])


def check_on_backbone(method: str, attention: AttentionSettings, backbone: str) -> None:
    """Check the settings of a trained method on a classifier against the registry and each other.

    Raises:
        Mistake: at the key.
    """
    training, changes = find(method).training, attention.by_backbone.get(backbone, {})
    assert training is not None
    on = attention.on(backbone)

    def place(section: Literal["mechanism", "loss", "recipe"], key: str) -> Place:
        changed = key in changes.get(section, {})
        return ("attention", method, *(("by_backbone", backbone) if changed else ()), section, key)

    if training.cross_entropy_only and (on.loss.area or on.loss.variation):
        problem = f"{method} is trained with the cross-entropy alone; set area and variation to 0"
        key = "area" if on.loss.area else "variation"
        raise Mistake(place("loss", key), problem, inside=True, related=[("methods", "trained")])
    if on.recipe.sharpness > 0 and on.recipe.accumulate > 1:
        raise Mistake(
            place("recipe", "sharpness"),
            "needs accumulate: 1, since it computes the gradient of one batch twice; set one of the two",
            related=[place("recipe", "accumulate")],
        )
    if training.reads_auxiliary != (on.mechanism.auxiliary is not None):
        expected = "the name of a classifier, resnet18 say" if training.reads_auxiliary else "null"
        reads = "an auxiliary classifier" if training.reads_auxiliary else "the classifier that it explains"
        raise Mistake(place("mechanism", "auxiliary"), f"{method} reads {reads}; expected {expected}")
    for key in ("blurred_fill", "complement"):
        if training.masks == "features" and getattr(on.loss, key):
            raise Mistake(place("loss", key), f"{method} masks features, not the image; set it to 0")
    if training.reads_auxiliary and on.mechanism.warm_start is not None:
        problem = f"{method} reads an auxiliary classifier, whose features have no class activation map; expected null"
        raise Mistake(place("mechanism", "warm_start"), problem)


def _check_data(settings: Settings) -> None:
    if settings.data.source == "shapes":
        return
    if "ground_truth" in settings.methods.training_free:
        problem = "ground_truth needs data.source: shapes; remove it"
        raise Mistake(("methods", "training_free"), problem, related=[SOURCE])
    if "known_parts" in settings.measures.taken:
        problem = "known_parts needs data.source: shapes; remove it"
        raise Mistake(("measures", "taken"), problem, related=[SOURCE])
    for split in SPLITS:
        if settings.data.roots[split] is None:
            problem = "the folder of the images is missing; give its path"
            raise Mistake(("data", "roots", split), problem, related=[SOURCE])


def _known(
    name: str,
    allowed: Sequence[str],
    place: Place,
    wanted: str,
    *,
    looked_up: str | None = None,
    inside: bool = False,
    related: Sequence[Place] = (),
) -> None:
    if (looked_up or name) not in allowed:
        hint = suggestion(name, allowed) or f"; expected one of {', '.join(sorted(allowed)) or 'none'}"
        raise Mistake(place, f"{name!r} is not {wanted}{hint}", inside=inside, related=related)
