"""Which public functions were given tensors of the device."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from torch.utils._pytree import tree_leaves

import ttame
from tests.device.accelerator import OnDevice


def functions_of_tensors() -> dict[CodeType, str]:
    """The public functions of the package, of which an argument is a tensor or holds some, by their code."""
    found: dict[CodeType, str] = {}
    for module in pkgutil.walk_packages(ttame.__path__, "ttame."):
        if module.name.endswith("__main__"):
            continue
        imported = importlib.import_module(module.name)
        for name, function in inspect.getmembers(imported, inspect.isfunction):
            if not name.startswith("_") and function.__module__ == module.name and _takes_tensors(function):
                found[inspect.unwrap(function).__code__] = f"{module.name}.{name}"
    return found


def _takes_tensors(function: Callable[..., Any]) -> bool:
    annotations = [str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()]
    return any("Tensor" in re.sub(r"Callable\[\[.*?\], .*?\]", "", text) for text in annotations)


@contextmanager
def recorded(functions: dict[CodeType, str]) -> Iterator[set[str]]:
    """The names of those that are called, while this is entered, with a tensor of the device among the arguments."""
    reached: set[str] = set()

    def look(frame: FrameType, event: str, _: Any) -> None:
        name = functions.get(frame.f_code) if event == "call" else None
        if name is not None and any(isinstance(leaf, OnDevice) for leaf in tree_leaves(list(frame.f_locals.values()))):
            reached.add(name)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield reached
    finally:
        sys.setprofile(before)
