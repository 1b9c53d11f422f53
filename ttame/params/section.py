"""What all sections of the params share: strict types, no unknown keys, and the types of single values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Split = Literal["train", "validation", "evaluation"]
SPLITS: tuple[Split, ...] = ("train", "validation", "evaluation")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]*$")]
"""A name that stands in paths and in the keys of both engines, which a dot would split."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Percent = Annotated[int, Field(ge=1, le=100)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{text!r} is blank or holds a line break; expected one line of text")
    return text


Text = Annotated[str, Field(min_length=1), AfterValidator(_one_line)]


def _each_once(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is listed twice; remove one")
    return values


EachOnce = AfterValidator(_each_once)
"""Refuses a list that holds a value twice."""


class Section(BaseModel):
    """A section of the params: 4.0 is no integer, .nan no number, and a key that nobody knows an error."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)
