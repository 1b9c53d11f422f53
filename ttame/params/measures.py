"""Which measures beside those of `metrics` an experiment takes, and their options: the section `measures`."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import Field, create_model

from ttame.measures.registry import MEASURES
from ttame.params.section import EachOnce, Section


class TakenMeasures(Section):
    """Measures that need something computed once of every classifier."""

    taken: Annotated[list[str], EachOnce] = Field(
        ["single_deletion", "grid_pointing"],
        min_length=1,
        description=f"which, at least one: {', '.join(MEASURES)}",
    )


MeasureSettings: type[TakenMeasures] = create_model(
    "MeasureSettings",
    __base__=TakenMeasures,
    __doc__=TakenMeasures.__doc__,
    **cast(
        dict[str, Any],
        {
            name: (entry.options, Field(entry.options(), description=f"options: {entry.title}"))
            for name, entry in MEASURES.items()
        },
    ),
)
