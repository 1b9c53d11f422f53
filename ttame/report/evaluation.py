"""All that the tables and the page say of one backbone, from the scores of its methods."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ttame.measures.column import Column
from ttame.params.evaluation import MetricSettings, ReportSettings
from ttame.report.aggregate import comparison, qualities, seen_in_training
from ttame.report.columns import quality_columns, road_columns
from ttame.report.comparisons import Family, compare
from ttame.report.marks import Mark, mark_cells, rank_methods
from ttame.report.seeds import Number, chance_in_training, mean_over_seeds, means_by_seed
from ttame.report.statistics import HELD, bootstrap_intervals, in_turns


@dataclass(frozen=True)
class Evaluation:
    """The methods of one backbone on the same images.

    Attributes:
        scores: of every method, one row per image, as the scores stage writes them; of several seeds one after the
            other, with a column `seed`.
        metrics: what was scored.
        report: the method to compare with, and the resamples.
        statistics: by method and column of `qualities`: mean; low and high end of its 95 % interval; difference to the
            reference and its corrected p_value, NaN where there is none; mark, empty where there is none. Those of
            `evaluate`, or as they were written.
        measured: by measure and method, a row per unit, or per seed and unit, and a column per number, as tables show
            it.
    """

    scores: Mapping[str, pd.DataFrame]
    metrics: MetricSettings
    report: ReportSettings
    statistics: pd.DataFrame
    measured: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    @property
    def images(self) -> int:
        """How many images there are."""
        return int(next(iter(self.scores.values()))["name"].nunique())

    @cached_property
    def means(self) -> pd.DataFrame:
        """A row per method and a column per number."""
        found = comparison(self.scores, self.metrics)
        for tables in self.measured.values():
            found = found.join(pd.DataFrame({method: table.mean() for method, table in tables.items()}).T)
        return found

    @property
    def values(self) -> Iterator[Mapping[str, pd.DataFrame]]:
        """For every kind of unit, images and those of the measures, of every method a row per unit and seed; where
        there are many units, a few of their columns at a time.
        """
        return _values(self.scores, self.metrics, self.measured)

    @cached_property
    def several_seeds(self) -> dict[str, pd.DataFrame]:
        """Of every method that was trained with several seeds, a row per seed and a column per number."""
        found: dict[str, list[pd.DataFrame]] = {}
        for values in self.values:
            for method, table in values.items():
                means = means_by_seed(table)
                if means is not None:
                    found.setdefault(method, []).append(means)
        return {method: pd.concat(tables, axis=1) for method, tables in found.items()}

    @cached_property
    def intervals(self) -> dict[str, pd.DataFrame]:
        """Of every method, by number: low and high end of its 95 % interval."""
        return {method: self._of(method, ["low", "high"]) for method in self.scores}

    @cached_property
    def against_reference(self) -> dict[str, pd.DataFrame]:
        """Of every other method, by number: its difference to the reference and the corrected p-value."""
        if self.report.reference not in self.scores:
            return {}
        others = [method for method in self.scores if method != self.report.reference]
        return {method: self._of(method, ["difference", "p_value"]) for method in others}

    @cached_property
    def marks(self) -> dict[tuple[str, str], Mark]:
        """The best, second best and tied cells of every quality."""
        marked = self.statistics["mark"]
        marked = marked[marked != ""]
        return dict(zip(marked.index, marked, strict=True))

    def on_seen_classes(self, trained: list[str]) -> Evaluation | None:
        """The same on the images whose class every trained method saw; None when that is all or none of them."""
        seen = seen_in_training(self.scores, [method for method in trained if method in self.scores])
        return None if seen is None else evaluate(seen, self.metrics, self.report)

    def _of(self, method: str, names: list[str]) -> pd.DataFrame:
        return self.statistics.groupby(level="method").get_group(method).droplevel("method")[names]


def evaluate(
    scores: Mapping[str, pd.DataFrame],
    metrics: MetricSettings,
    report: ReportSettings,
    measured: Mapping[str, Mapping[str, pd.DataFrame]] | None = None,
) -> Evaluation:
    """Compute the statistics: the draws of the bootstrap serve all methods and columns, and so do those of the test.

    Args:
        scores, metrics, report, measured: as of the evaluation. Each measure has units of its own, images or grids,
            so it has draws of its own.
    """
    measured = measured or {}
    columns = [*quality_columns(metrics), *road_columns(metrics)]
    tested = pd.concat([_tests(values, columns, report) for values in _values(scores, metrics, measured)])
    kinds = [_Qualities(scores, metrics), *measured.values()]
    tables = [_means_and_intervals(values, columns, report) for values in kinds]
    order = {method: place for place, method in enumerate(scores)}
    joined = pd.concat(tables).sort_index(level="method", key=lambda names: names.map(order), kind="stable")
    return Evaluation(scores, metrics, report, joined.join(tested).fillna({"mark": ""}), measured)


class _Qualities(Mapping[str, pd.DataFrame]):
    """Those of every method, which are made when they are asked for."""

    def __init__(self, scores: Mapping[str, pd.DataFrame], metrics: MetricSettings) -> None:
        self._scores, self._metrics = scores, metrics

    def __getitem__(self, method: str) -> pd.DataFrame:
        return qualities(self._scores[method], self._metrics)

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)


def _values(
    scores: Mapping[str, pd.DataFrame], metrics: MetricSettings, measured: Mapping[str, Mapping[str, pd.DataFrame]]
) -> Iterator[Mapping[str, pd.DataFrame]]:
    rows = sum(len(table) for table in scores.values())
    keys = list(dict.fromkeys(str(key) for table in scores.values() for key in qualities(table.iloc[:1], metrics)))
    for turn in in_turns([rows] * len(keys), HELD):
        yield {method: _some(table, keys[turn]) for method, table in _Qualities(scores, metrics).items()}
    yield from measured.values()


def _some(table: pd.DataFrame, keys: Collection[str]) -> pd.DataFrame:
    """A copy, since a view would keep the whole table."""
    return table[[key for key in table if key in keys]].copy()


def _tests(values: Mapping[str, pd.DataFrame], columns: Sequence[Column], report: ReportSettings) -> pd.DataFrame:
    """By method and column, `difference`, `p_value` and `mark` of `Evaluation.statistics`."""
    rankings = rank_methods(values, columns)
    families = _against(report.reference, values)
    compared = compare([*families, *(ranking.family for ranking in rankings)], values, report.resamples, report.seed)
    keys = [(method, str(key)) for method, table in values.items() for key in table]
    index = pd.MultiIndex.from_tuples(keys, names=["method", "column"])
    table = pd.DataFrame(np.nan, index=index, columns=["difference", "p_value"])
    for family, found in zip(families, compared[: len(families)], strict=True):
        table.loc[[(method, family.column) for method in family.methods], found.columns] = found.to_numpy()
    table["mark"] = pd.Series(mark_cells(rankings, compared[len(families) :]), dtype=object).reindex(table.index)
    return table


def _against(reference: str, values: Mapping[str, pd.DataFrame]) -> Sequence[Family]:
    """Every other method against the reference, in each of its columns; none where it has no scores."""
    return [
        Family(str(column), reference, [name for name in values if name != reference and column in values[name]])
        for column in values.get(reference, pd.DataFrame())
    ]


def _means_and_intervals(
    values: Mapping[str, pd.DataFrame], columns: Sequence[Column], report: ReportSettings
) -> pd.DataFrame:
    """What chance in training adds may pass the ends of what a column can be, and is cut off there."""
    means: dict[tuple[str, str], float] = {}
    keys: list[tuple[str, str]] = []
    tables = []
    for method in values:
        found = mean_over_seeds(values[method])
        means |= {(method, str(key)): mean for key, mean in found.mean().items()}
        for numbers in _compact(found):
            keys += [(method, str(key)) for key in numbers]
            tables.append(numbers.to_numpy())
    chance = chance_in_training([Number(key, (method,)) for method, key in keys], values)
    ends = bootstrap_intervals(tables, report.resamples, report.seed, chance)
    limits = {column.key: (column.lowest, column.scale) for column in columns}
    low, high = np.array([limits.get(key, (-np.inf, np.inf)) for _, key in keys]).T
    intervals = {"low": ends[:, 0].clip(low), "high": ends[:, 1].clip(max=high)}
    names = ["method", "column"]
    table = pd.DataFrame(intervals, index=pd.MultiIndex.from_tuples(keys, names=names))
    table = table.reindex(pd.MultiIndex.from_tuples(list(means), names=names))
    table.insert(0, "mean", list(means.values()))
    return table


def _compact(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The columns that are exact in float32, as most are that were computed so, and the others."""
    half = table.astype(np.float32)
    exact = (half == table).all()
    return [part for part in (half.loc[:, exact], table.loc[:, ~exact]) if len(part.columns)]
