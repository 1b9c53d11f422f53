"""A section of settings from what Python code says, instead of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from ttame.errors import TTameError, suggestion
from ttame.params.messages import explain
from ttame.params.section import Section

AnySection = TypeVar("AnySection", bound=Section)


def validated(kind: type[AnySection], values: Mapping[str, Any], owner: str) -> AnySection:
    """Checked values, tuples for lists and numbers of numpy included.

    Args:
        kind: the section.
        values: by name; the rest at its default.
        owner: whose options these are, for the message.

    Raises:
        TTameError: naming the value that is wrong, or a name that nobody knows with near matches.
    """
    for name in values:
        if name not in kind.model_fields:
            known = ", ".join(kind.model_fields)
            hint = suggestion(name, kind.model_fields) or (f"; expected one of {known}" if known else "; it has none")
            raise TTameError(f"{name}: no option of {owner}{hint}")
    plain = {name: _plain(value) for name, value in values.items()}
    try:
        return kind.model_validate(plain)
    except ValidationError as error:
        raise TTameError(str(explain(error, kind, plain))) from None


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    is_number = hasattr(value, "item") and getattr(value, "ndim", None) == 0
    return value.item() if is_number else value
