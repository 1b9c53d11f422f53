"""A classifier that a function of the user's gives, `package.module:function`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any

from torch import nn

from ttame.backbones.built import Built
from ttame.backbones.checking import user_error
from ttame.backbones.hugging_face import state_tokens_inside
from ttame.backbones.pretrained_cfg import timm_preprocessing
from ttame.backbones.weights import load_weights
from ttame.errors import TTameError
from ttame.params.settings import ModelSettings

_PATH = RLock()
"""`sys.path` is the whole process's."""


def from_function(name: str, settings: ModelSettings) -> Built:
    """A model of the user's. It may carry timm's `pretrained_cfg` to state its preprocessing.

    Raises:
        TTameError: when there is no such function, it raises or gives no module, or what that states does not fit.
    """
    key = f"models.{name}.model"
    with _importable(Path.cwd()):
        model = _call(key, settings.model)
    if not isinstance(model, nn.Module):
        raise TTameError(f"{key}: {settings.model} returned a {type(model).__name__}; expected a torch.nn.Module")
    if settings.weights not in ("default", "none"):
        load_weights(model, Path(settings.weights), name)
    preprocessing = timm_preprocessing(model, f"{key}: {settings.model}")
    state_tokens_inside(model, preprocessing.input_size)
    return Built(model, preprocessing)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """A block in which modules of a folder can be imported; what the user's code adds to the path stays there."""
    entry = str(folder)
    with _PATH:
        added = entry not in sys.path
        if added:
            sys.path.insert(0, entry)
        try:
            yield
        finally:
            if added:
                with suppress(ValueError):  # the user's code may have taken it away
                    sys.path.remove(entry)


def _call(key: str, named: str) -> Any:
    """What the function returns; it is called where its module was imported, since it may import more."""
    module_name, _, function_name = named.partition(":")
    try:
        function = getattr(_imported(module_name, key, named), function_name)
    except AttributeError as error:
        raise _not_found(key, named, error) from None
    try:
        return function()
    except (Exception, SystemExit) as error:  # whatever a user's function raises
        raise user_error(key, f"{named}()", error) from None


def _imported(module_name: str, key: str, named: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever a user's module raises when it is imported
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise _not_found(key, named, error) from None
        raise user_error(key, f"importing {named}", error) from None


def _not_found(key: str, named: str, error: Exception) -> TTameError:
    return TTameError(f"{key}: cannot import {named!r} ({error}); expected package.module:function")
