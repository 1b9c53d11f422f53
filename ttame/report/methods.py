"""The list of methods that a person asks for."""

from __future__ import annotations

from ttame.explainers.registry import EXPLAINERS
from ttame.report.markdown import markdown_table

HEADINGS = ("Name", "Title", "Kind", "Training", "CNN", "Transformer", "Passes per map", "Paper")


def methods_list() -> str:
    """Every registered method as a Markdown table, and notices below it; passes are forward + backward."""
    rows = [
        [
            name,
            entry.title,
            entry.kind,
            _yes(entry.needs_training),
            _yes("CNN" in entry.works_on),
            _yes("transformer" in entry.works_on),
            entry.passes,
            entry.citation,
        ]
        for name, entry in EXPLAINERS.items()
    ]
    notices = [f"\n{name}: {entry.notice}\n" for name, entry in EXPLAINERS.items() if entry.notice]
    return "".join([markdown_table(HEADINGS, rows, numbers_from=len(HEADINGS)), *notices])


def _yes(value: bool) -> str:
    return "yes" if value else "no"
