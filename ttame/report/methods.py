"""The list of methods that a person asks for."""

from __future__ import annotations

from ttame.explainers.registry import EXPLAINERS
from ttame.report.markdown import markdown_table

HEADINGS = ("Name", "Title", "Kind", "Training", "CNN", "Transformer", "Passes per map", "Paper")


def methods_list() -> str:
    """Every registered method as a Markdown table; passes are forward + backward."""
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
    return markdown_table(HEADINGS, rows, numbers_from=len(HEADINGS))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
