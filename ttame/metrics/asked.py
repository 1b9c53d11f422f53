"""Which scores are asked for, where not all of them are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ttame.metrics.insertion_deletion import CURVES
from ttame.metrics.road import ORDERS
from ttame.params.evaluation import MetricSettings


@dataclass(frozen=True)
class Asked:
    """What the classifier is asked of a map.

    Attributes:
        shares: percent of the pixels that are kept, for AD, IC and AG.
        orders: of ROAD.
        curves: insertion, deletion or both.
    """

    shares: Sequence[int]
    orders: Sequence[str] = ORDERS
    curves: Sequence[str] = CURVES

    @classmethod
    def for_columns(cls, keys: Collection[str], settings: MetricSettings) -> Asked:
        """Only what some columns of the tables are made of."""
        return cls(
            [share for share in settings.shares if {f"ad_{share}", f"ic_{share}", f"ag_{share}"} & {*keys}],
            [order for order in ORDERS if f"road_{order}" in keys],
            [curve for curve in CURVES if curve in keys],
        )
