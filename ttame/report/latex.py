"""Tables as LaTeX, to be pasted into a paper: `booktabs` rules, arrows to the better end, best in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from ttame.explainers.registry import title
from ttame.measures.column import Column
from ttame.report.markdown import MISSING, cell_text, shown
from ttame.report.marks import Mark

WRITTEN: dict[Mark | None, str] = {
    None: "{}",
    "best": r"\textbf{{{}}}",
    "second": r"\underline{{{}}}",
    "tied": r"{}$^\approx$",
    "tied second": r"\underline{{{}}}$^\approx$",
}
SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        MISSING: "--",
    }
)


def escape(text: str) -> str:
    """Text in which no character means anything to LaTeX.

    >>> print(escape("50 % of my_model"))
    50 \\% of my\\_model
    """
    return text.translate(SPECIAL)


def methods_table(
    comparisons: Mapping[str, pd.DataFrame],
    columns: Sequence[Column],
    marks: Mapping[str, Mapping[tuple[str, str], Mark]],
    caption: str,
    label: str,
) -> str:
    """A `table` environment: methods under each backbone.

    Args:
        comparisons: of every backbone, a row per method.
        columns: what to show; one that no method has is left out.
        marks: of every backbone, its marked cells.
        caption: its sentence; special characters are escaped.
        label: for `\\ref`.
    """
    present = shown(pd.concat(list(comparisons.values())), columns)
    lines = [_line(["Method", *(column.heading for column in present)])]
    for backbone, comparison in comparisons.items():
        lines.append(rf"\midrule\multicolumn{{{len(present) + 1}}}{{l}}{{{escape(backbone)}}}")
        known = comparison.reindex(columns=comparison.columns.union([column.key for column in present]))
        for method in map(str, comparison.index):
            found = {column.key: marks[backbone].get((method, column.key)) for column in present}
            cells = [WRITTEN[found[column.key]].format(escape(cell_text(known, method, column))) for column in present]
            lines.append(" & ".join([escape(title(method)), *cells]))
    body = " \\\\\n".join(lines)
    return (
        "% \\usepackage{booktabs,graphicx}\n"
        "\\begin{table}\n\\centering\n"
        f"\\caption{{{escape(caption)}}}\n\\label{{{label}}}\n"
        f"\\resizebox{{\\linewidth}}{{!}}{{%\n\\begin{{tabular}}{{l{'r' * len(present)}}}\n\\toprule\n"
        f"{body} \\\\\n\\bottomrule\n\\end{{tabular}}}}\n\\end{{table}}\n"
    )


def _line(cells: Sequence[str]) -> str:
    return " & ".join(escape(cell) for cell in cells)
