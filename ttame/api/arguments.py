"""Messages from Python name the argument, where those of the pipeline name a key of params.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

from ttame.backbones.backbone import Backbone
from ttame.errors import NotDefined, TTameError
from ttame.params.attention import LossSettings, MechanismSettings, RecipeSettings
from ttame.params.section import Section
from ttame.params.settings import ModelSettings

SECTIONS: dict[str, type[Section]] = {"mechanism": MechanismSettings, "loss": LossSettings, "recipe": RecipeSettings}
"""Of `attention` in the params; what they hold are options of training here."""


def _before(section: str, *keys: str) -> str:
    """A pattern of a section's name before one of its keys, and in no name of a file or a layer."""
    return rf"(?<![\w./'\"-]){section}\.(?=(?:{'|'.join(keys)})\b(?![./]))"


WORDS = (
    (_before(r"attention\.[\w+-]+", "learning_rate", *(f"{section}\\.[a-z_]+" for section in SECTIONS)), ""),
    *((_before(section, *kind.model_fields), "") for section, kind in SECTIONS.items()),
    (r"^explainers\.[\w+-]+\.(?=[a-z_]+: )", ""),
    (r"\bparams\.yaml says", "this model has"),
    (r"\bexecution\.batch_size in params\.yaml", "batch_size"),
    (r"\bthe learning_rate of this mechanism in params\.yaml", "learning_rate"),
    (r"; the last state that was saved is good, and kept", ""),
    (r"; mend the datalist or put the file there$", "; mend the path"),
    (r" or take it out of the folder or datalist$", " or leave it out"),
)
"""What the pipeline says, and what Python says instead."""


@contextmanager
def naming_arguments(
    argument: str = "", *, name: str = "", classifier: str = "model", target_layer: str | None = None
) -> Iterator[None]:
    """A block whose errors are of the caller's arguments.

    Args:
        argument: the one that all of them are about; none for those that name it themselves.
        name: of the classifier, whose keys of `models` are arguments here.
        classifier: the argument that is the classifier.
        target_layer: what the caller gave, to tell an unknown one from unknown `layers`.
    """
    try:
        yield
    except TTameError as error:
        text = _of_classifier(str(error), name, classifier, target_layer)
        for pattern, instead in WORDS:
            text = re.sub(pattern, instead, text)
        if str(error).startswith("explainers."):
            argument = ""  # it names one itself
        kind = NotDefined if isinstance(error, NotDefined) else TTameError
        raise kind(f"{argument}: {text}" if argument else text) from None


def _of_classifier(text: str, name: str, classifier: str, target_layer: str | None) -> str:
    """Without `models.NAME`: what follows it is an argument, or a layer or the classifier itself is meant."""
    key = re.escape(f"models.{name}")
    of_layer = "target_layer" if f"no layer called {target_layer!r}" in text else "layers"
    text = re.sub(rf"{key}: (?=no layer called|found no feature maps)", f"{of_layer}: ", text)
    text = re.sub(rf"{key}(?:\.model)?: ", f"{classifier}: ", text)
    return re.sub(_before(key, *ModelSettings.model_fields), "", text)


def refuse_other_model(model: Any) -> None:
    """Check that a classifier was opened or wrapped.

    Raises:
        TTameError: when it is something else.
    """
    if not isinstance(model, Backbone):
        raise TTameError(
            f"model: a {type(model).__name__}; expected a classifier, of ttame.open_model(name) or ttame.wrap(module, "
            "mean=..., std=..., input_size=...)"
        )


def refuse_other_number(value: Any, argument: str, least: int) -> None:
    """Check that a caller gave a whole number, `least` or more.

    Raises:
        TTameError: when it is something else.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or not least <= int(value) < 2**63:
        raise TTameError(f"{argument}: {value!r:.60}; expected a whole number, {least} or more")


def listed(names: Sequence[str], argument: str) -> list[str]:
    """Names as a list.

    Raises:
        TTameError: when they are something else, a single name for one.
    """
    is_list = not isinstance(names, str) and all(isinstance(name, str) for name in names)
    if not is_list:
        raise TTameError(f"{argument}: {names!r:.60}; expected a list of names")
    return list(names)
