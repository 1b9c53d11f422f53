"""Trials as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.coverage.pointing import CAMS, LEARNED
from scripts.coverage.trial import WORKS, Trial, methods
from ttame.explainers.registry import EXPLAINERS, title
from ttame.report.markdown import markdown_table

EVERYWHERE = tuple(
    name for name in methods() if EXPLAINERS[name].kind in ("gradient", "perturbation", "learned") and name != "tame"
)
"""Methods that need maps or logits alone: one column for all of them."""

TEXT = """# Architectures

Every method on {count} architectures of timm, torchvision and transformers with random weights, made by
`python -m scripts.coverage`; a test holds the small ones to it. {working} work, {refused} are refused in one line, and
none ends in a traceback.

- *Last layer*, *Layout*: the last feature layer, which is also the target layer, as the rule chose it, and how it lays
  the image out: channels C, rows x columns, and prefix tokens + rows x columns. The command stops where it has not the
  positions of the last maps that timm or transformers state.
- *Halves*: an image that is joined of the halves of two others has to give a map whose halves are nearer to the same
  image's: the correlation between the two, at least 0.5 (the least of all layers that it can be asked of). A dash: with
  random weights nothing of the image arrives there, or every position has seen all of it, and the shape decides.
- *Corner*: with a head that reads one quadrant of the target layer alone, the peaks of {pointing}
  are in that quadrant.
- *Maps*: {everywhere}.
- *yes* or *no*: whether the method is defined there; no is said in one line and leaves the method out of the tables.

{table}

Refused, with what is said:

{refusals}
"""


def rows_of(trials: Sequence[Trial]) -> str:
    """The table of the trials that were not refused."""
    others = [name for name in methods() if name not in EVERYWHERE]
    headings = ["Architecture", "Last layer", "Layout", "Halves", "Corner", "Maps", *map(title, others)]
    rows = [_row(trial, others) for trial in trials if trial.refused is None]
    return markdown_table(headings, rows, numbers_from=len(headings))


def document(trials: Sequence[Trial]) -> str:
    """The page."""
    refused = [trial for trial in trials if trial.refused is not None]
    return TEXT.format(
        count=len(trials),
        working=len(trials) - len(refused),
        refused=len(refused),
        pointing=", ".join(title(method) for method in (*CAMS, LEARNED)),
        everywhere=", ".join(title(method) for method in EVERYWHERE),
        table=rows_of(trials),
        refusals="\n".join(f"- {trial.name}: {trial.refused}" for trial in refused) or "- none",
    )


def _row(trial: Trial, others: Sequence[str]) -> list[str]:
    name, layout = list(trial.layers.items())[-1]
    failing = [title(method) for method in EVERYWHERE if trial.methods[method] != WORKS]
    return [
        trial.name,
        name,
        layout,
        "–" if trial.agreement is None else f"{trial.agreement:.2f}",
        "yes" if not trial.misses else "no: " + ", ".join(map(title, trial.misses)),
        "yes" if not failing else "no: " + ", ".join(failing),
        *("yes" if trial.methods[method] == WORKS else "no" for method in others),
    ]
