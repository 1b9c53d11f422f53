"""The tables of docs/seeds.md, written anew from those of its experiments, which git tracks.

    python -m scripts.seeds_page

A comment `<!-- table EXPERIMENT BACKBONE may rank -->` on the page has below it every method by the measures that may
rank there, and how many of these each is no worse in than the best; `<!-- table EXPERIMENT BACKBONE the others -->` has
the measures that may not. Both name the experiment's tables.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from ttame.explainers.registry import in_order, title
from ttame.measures.column import Column
from ttame.params.composition import compose
from ttame.report.columns import quality_columns
from ttame.report.markdown import WRITTEN, markdown_table, number, shown
from ttame.report.marks import Mark
from ttame.report.ranking import is_control
from ttame.store.artifacts import write_text

PAGE = Path("docs/seeds.md")
COMMENT = r"<!-- table (?P<experiment>\w+) (?P<backbone>\w+) (?P<which>may rank|the others) -->\n"
WRITTEN_BELOW = r"(?:\n*(?:\||No worse than the best).*\n)*"
PLACE = re.compile(f"^(?P<comment>{COMMENT}){WRITTEN_BELOW}", re.MULTILINE)


def main() -> None:
    """Write the page."""
    write_text(PAGE, filled(PAGE.read_text(encoding="utf-8")))


def filled(page: str) -> str:
    """A page's text with the tables that its comments name."""
    return PLACE.sub(
        lambda found: f"{found['comment']}\n{_below(found['experiment'], found['backbone'], found['which'])}", page
    )


def _below(experiment: str, backbone: str, which: str) -> str:
    study = Study(experiment, backbone)
    if which == "the others":
        return study.table([column for column in study.columns if column.key not in study.votes])
    voting = [column for column in study.columns if column.key in study.votes]
    return f"{study.table(voting)}\n{study.verdict(voting)}\n"


class Study:
    """What an experiment's tables say of the methods on one classifier.

    Args:
        experiment: its name.
        backbone: the classifier's.
    """

    def __init__(self, experiment: str, backbone: str) -> None:
        folder = Path("results", experiment, "tables")

        def rows(name: str) -> pd.DataFrame:
            table = pd.read_csv(folder / name)
            return table[(table["backbone"] == backbone) & (table.get("subset", "all") == "all")]

        means, marks, checks = rows("results.csv"), rows("statistics.csv"), rows("measures.csv")
        self.means = means.set_index("method").loc[in_order(map(str, means["method"]))]
        self.seeds = rows("seeds.csv")
        found = marks.dropna(subset="mark")
        self.marks: dict[tuple[str, str], Mark] = dict(
            zip(zip(found["method"], found["column"], strict=True), found["mark"], strict=True)
        )
        self.votes = set(checks.loc[checks["objection"].isna(), "measure"])
        settings = compose(Path("experiments", f"{experiment}.yaml"))
        self.columns = shown(self.means, quality_columns(settings.metrics))

    def table(self, columns: list[Column]) -> str:
        """Rows methods, cells the mean over the seeds and, in brackets, that of the lowest and of the highest seed."""
        rows = [[title(method), *(self._cell(method, column) for column in columns)] for method in self.means.index]
        return markdown_table(["Method", *(column.heading for column in columns)], rows)

    def verdict(self, columns: list[Column]) -> str:
        """In how many of the measures each method is the best or cannot be told from it."""
        keys = {column.key for column in columns}
        leads = Counter(method for (method, key), mark in self.marks.items() if key in keys and mark != "second")
        methods = [method for method in map(str, self.means.index) if not is_control(method)]
        ranked = sorted(methods, key=lambda method: -leads[method])
        counts = ", ".join(f"{title(method)} {leads[method]}" for method in ranked)
        measures = "measure" if len(columns) == 1 else "measures"
        return f"No worse than the best, of {len(columns)} {measures}: {counts}."

    def _cell(self, method: str, column: Column) -> str:
        text = number(float(self.means[column.key][method]), column)
        trained = self.seeds.loc[self.seeds["method"] == method, column.key]
        if len(trained):
            text += f" ({number(trained.min(), column)}–{number(trained.max(), column)})"
        return WRITTEN[self.marks.get((method, column.key))].format(text)


if __name__ == "__main__":
    main()
