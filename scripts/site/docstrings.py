"""What the docstring of a method says: prose, and the sections *Formula* and *Limits*."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass

SECTION = re.compile(r"^(Formula|Limits):\n((?:(?:    .*)?\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Described:
    """A docstring in parts.

    Attributes:
        prose: what the method does.
        formula: a line or more, in plain text.
        limits: when it fails.
    """

    prose: str
    formula: str
    limits: str


def described(method: type) -> Described:
    """The parts of a class's docstring.

    Raises:
        ValueError: when a section is missing.
    """
    text = (inspect.getdoc(method) or "") + "\n"
    sections = {name: textwrap.dedent(body).strip() for name, body in SECTION.findall(text)}
    if missing := {"Formula", "Limits"} - set(sections):
        raise ValueError(f"{method.__module__}.{method.__name__}: its docstring has no section {' and '.join(missing)}")
    return Described(SECTION.sub("", text).strip(), sections["Formula"], sections["Limits"])
