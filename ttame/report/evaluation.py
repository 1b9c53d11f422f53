"""All that the tables say of one backbone, from the scores of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ttame.params.evaluation import MetricSettings, ReportSettings
from ttame.report.aggregate import comparison, qualities, seen_in_training
from ttame.report.columns import quality_columns, road_columns
from ttame.report.marks import Mark, mark_cells
from ttame.report.statistics import bootstrap_intervals, compare_with


@dataclass(frozen=True)
class Evaluation:
    """The methods of one backbone on the same images.

    Attributes:
        scores: of every method, one row per image, as the scores stage writes them.
        metrics: what was scored.
        report: the method to compare with, and the resamples.
    """

    scores: Mapping[str, pd.DataFrame]
    metrics: MetricSettings
    report: ReportSettings

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(next(iter(self.scores.values())))

    @cached_property
    def means(self) -> pd.DataFrame:
        """A row per method and a column per number."""
        return comparison(self.scores, self.metrics)

    @cached_property
    def values(self) -> dict[str, pd.DataFrame]:
        """Of every method what each image adds to the numbers."""
        return {method: qualities(table, self.metrics) for method, table in self.scores.items()}

    @cached_property
    def intervals(self) -> dict[str, pd.DataFrame]:
        """Of every method, by number: low and high end of its 95 % interval."""
        return {
            method: pd.DataFrame(
                bootstrap_intervals(table.to_numpy(), self.report.resamples, self.report.seed),
                index=table.columns,
                columns=["low", "high"],
            )
            for method, table in self.values.items()
        }

    @cached_property
    def against_reference(self) -> dict[str, pd.DataFrame]:
        """Of every other method, by number: its difference to the reference and the corrected p-value."""
        if self.report.reference not in self.values:
            return {}
        return compare_with(self.report.reference, self.values, self.report.resamples, self.report.seed)

    @cached_property
    def marks(self) -> dict[tuple[str, str], Mark]:
        """The best, second best and tied cells of every quality."""
        columns = [*quality_columns(self.metrics), *road_columns(self.metrics)]
        return mark_cells(self.values, columns, self.report.resamples, self.report.seed)

    def on_seen_classes(self, trained: list[str]) -> Evaluation | None:
        """The same on the images whose class every trained method saw; None when that is all or none of them."""
        seen = seen_in_training(self.scores, [method for method in trained if method in self.scores])
        return None if seen is None else Evaluation(seen, self.metrics, self.report)

    def statistics(self) -> pd.DataFrame:
        """A row per method and number: mean, low, high, difference, p_value, mark."""
        rows = []
        for method, intervals in self.intervals.items():
            against = self.against_reference.get(method)
            for column, mean in self.values[method].mean().items():
                difference, p_value = (np.nan, np.nan) if against is None else against.loc[str(column)]
                low, high = intervals.loc[str(column)]
                mark = self.marks.get((method, str(column)), "")
                rows.append([method, column, mean, low, high, difference, p_value, mark])
        return pd.DataFrame(rows, columns=["method", "column", "mean", "low", "high", "difference", "p_value", "mark"])
