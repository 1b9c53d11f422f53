"""Stage: the tables of an experiment, from the scores of all methods."""

from __future__ import annotations

import json

import pandas as pd

from ttame.artifacts import write_text
from ttame.data.datalists import read_names
from ttame.explainers.registry import title
from ttame.report import latex
from ttame.report.columns import adcc_columns, comparison_columns, quality_columns, road_columns
from ttame.report.evaluation import Evaluation
from ttame.report.markdown import differences_table, intervals_table, methods_table
from ttame.settings import Settings
from ttame.stages.paths import list_file, results_file
from ttame.stages.scores_file import read_scores

LEGEND = """\
AD, average drop (lower is better), and IC, increase in confidence (higher is better), in percent, when only the most
salient share of the image, {shares} %, is kept. ROAD: percent of the images still classified the same after removing
the most (MoRF, lower is better) or least (LeRF, higher is better) relevant pixels, mean over the shares. Deletion
(lower is better) and insertion (higher is better): mean probability while the most salient pixels are deleted from the
image, or brought back to a blurred one. ADCC (higher is better): harmonic mean of what AD leaves, coherency and
simplicity. All in percent. Forward and backward passes are counted, per map. Every method explains the model truth,
the class that the frozen classifier gives the clean image.

Of the methods, controls aside, the **best** is bold and the <u>second</u> underlined; ≈ is no worse than the best as
far as these images tell (paired permutation test, Holm's correction, 5 %).
"""
SEEN = """\
A trained mechanism has no trained map for a class that was never a model truth in its training: that is the share
*Untrained %* above. The same comparison on the images whose class was seen, for every method:
"""
INTERVALS = "95 % intervals, bootstrap over images:\n"
DIFFERENCES = """\
Difference to {reference} on the same images; * is significant at 5 % (paired permutation test, Holm's correction over
the methods):
"""


def run(settings: Settings) -> None:
    """Write `results.csv`, `statistics.csv`, `results.md`, `comparison.tex`, `road.tex` and `metrics.json`.

    A method without scores is named and left out.

    Raises:
        TTameError: when no method has scores, or scores are not of the images in the evaluation list.
    """
    names = read_names(list_file(settings, "evaluation"))
    shares = ", ".join(str(share) for share in settings.metrics.shares)
    sections = [f"# Results of `{settings.experiment}`\n", LEGEND.format(shares=shares)]
    means, statistics, evaluations = [], [], {}
    for backbone in settings.backbones:
        scores, missing = read_scores(settings, backbone, names)
        evaluation = Evaluation(scores, settings.metrics, settings.report)
        evaluations[backbone] = evaluation
        sections += _section(settings, backbone, evaluation, missing)
        subsets = {"all": evaluation}
        seen = evaluation.on_seen_classes(settings.methods.trained_of(backbone))
        if seen is not None:
            subsets["seen in training"] = seen
            table = methods_table(seen.means, comparison_columns(settings.metrics), seen.marks)
            sections += [SEEN + f"\n{seen.images} of {len(names)} images\n", table]
        for subset, part in subsets.items():
            means.append(_rows(backbone, subset, part.means.rename_axis("method").reset_index()))
            statistics.append(_rows(backbone, subset, part.statistics()))
    folder = results_file(settings).parent
    write_text(folder / "results.csv", pd.concat(means).to_csv(index=False, float_format="%.6g"))
    write_text(folder / "statistics.csv", pd.concat(statistics).to_csv(index=False, float_format="%.6g"))
    _write_latex(settings, evaluations)
    write_text(folder / "metrics.json", _metrics(settings, evaluations))
    write_text(results_file(settings), "\n".join(sections))


def _section(settings: Settings, backbone: str, evaluation: Evaluation, missing: list[str]) -> list[str]:
    metrics, reference = settings.metrics, settings.report.reference
    sections = [
        f"## {backbone}\n",
        f"{evaluation.images} images\n",
        methods_table(evaluation.means, comparison_columns(metrics), evaluation.marks),
        *_left_out(settings, backbone, missing),
        f"![Maps of every method on {backbone}](../figures/{backbone}.png)\n",
        INTERVALS,
        intervals_table(evaluation.means, evaluation.intervals, quality_columns(metrics)),
    ]
    if evaluation.against_reference:
        sections += [
            DIFFERENCES.format(reference=title(reference)),
            differences_table(evaluation.against_reference, quality_columns(metrics)),
        ]
    sections += [
        "ROAD by share of removed pixels:\n",
        methods_table(evaluation.means, road_columns(metrics), evaluation.marks),
    ]
    if metrics.coherency:
        sections += ["The parts of ADCC:\n", methods_table(evaluation.means, adcc_columns())]
    return sections


def _left_out(settings: Settings, backbone: str, missing: list[str]) -> list[str]:
    """A line for the methods that are not defined on this backbone, and one for those without scores."""
    undefined = [title(method) for method in settings.methods.all if method not in settings.methods.of(backbone)]
    lines = [f"Defined on transformers alone, so left out here: {', '.join(undefined)}.\n"] if undefined else []
    if missing:
        lines.append(f"Without scores, so left out here: {', '.join(title(method) for method in missing)}.\n")
    return lines


def _write_latex(settings: Settings, evaluations: dict[str, Evaluation]) -> None:
    means = {backbone: evaluation.means for backbone, evaluation in evaluations.items()}
    marks = {backbone: evaluation.marks for backbone, evaluation in evaluations.items()}
    layouts = {
        "comparison": (comparison_columns(settings.metrics), "Comparison of the methods"),
        "road": (road_columns(settings.metrics), "ROAD by percentage of removed pixels"),
    }
    for name, (columns, what) in layouts.items():
        caption = f"{what}, experiment {settings.experiment}. Best in bold, second best underlined."
        text = latex.methods_table(means, columns, marks, caption, f"tab:{settings.experiment}-{name}")
        write_text(results_file(settings).with_name(f"{name}.tex"), text)


def _metrics(settings: Settings, evaluations: dict[str, Evaluation]) -> str:
    """The qualities as JSON, for `dvc metrics`: backbone, method, number."""
    keys = [column.key for column in quality_columns(settings.metrics)]
    found = {
        backbone: {
            str(method): {key: round(float(row[key]), 3) for key in keys if key in row and pd.notna(row[key])}
            for method, row in evaluation.means.iterrows()
        }
        for backbone, evaluation in evaluations.items()
    }
    return json.dumps(found, indent=2) + "\n"


def _rows(backbone: str, subset: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(0, "backbone", backbone)
    rows.insert(2, "subset", subset)
    return rows
