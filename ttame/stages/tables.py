"""Stage: the tables of an experiment, from the scores of all methods."""

from __future__ import annotations

import json

import pandas as pd

from ttame.data.datalists import read_names
from ttame.explainers.registry import title
from ttame.params.settings import Settings
from ttame.report import latex
from ttame.report.columns import (
    adcc_columns,
    comparison_columns,
    headline_columns,
    quality_columns,
    road_columns,
    sanity_columns,
)
from ttame.report.evaluation import Evaluation, evaluate
from ttame.report.markdown import differences_table, intervals_table, methods_table
from ttame.store.artifacts import write_folder, write_text
from ttame.store.paths import list_file, metrics_file, results_file, statistics_file
from ttame.store.scores_file import read_sanity, read_scores
from ttame.store.statistics_file import EVERYTHING, write_statistics

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
BOLD = "Best in bold, second best underlined."
SANITY = """\
Sanity check: rank correlation of the map with the map after so many layers, counted from the output, were randomised,
mean over {images} images. A method that explains what the classifier learned ends near 0:
"""


def run(settings: Settings) -> None:
    """Write `results.md`, `results.csv`, `statistics.csv`, `sanity.csv`, `comparison.tex`, `road.tex`, `sanity.tex`,
    and in `metrics` a file for every pair.

    A method without scores is named and left out.

    Raises:
        TTameError: when no method has scores, or scores are not of the images in the evaluation list.
    """
    names = read_names(list_file(settings, "evaluation"))
    shares = ", ".join(str(share) for share in settings.metrics.shares)
    sections = [f"# Results of `{settings.experiment}`\n", LEGEND.format(shares=shares)]
    means, statistics, evaluations, sanity = [], [], {}, {}
    for backbone in settings.backbones:
        scores, missing = read_scores(settings, backbone, names)
        evaluation = evaluate(scores, settings.metrics, settings.report)
        evaluations[backbone], sanity[backbone] = evaluation, read_sanity(settings, backbone)
        sections += _section(settings, backbone, evaluation, missing)
        subsets = {EVERYTHING: evaluation}
        seen = evaluation.on_seen_classes(settings.methods.trained)
        if seen is not None:
            subsets["seen in training"] = seen
            table = methods_table(seen.means, comparison_columns(settings.metrics), seen.marks)
            sections += [SEEN + f"\n{seen.images} of {len(names)} images\n", table]
        if len(sanity[backbone]):
            introduction = SANITY.format(images=min(settings.sanity.images, len(names)))
            sections += [introduction, methods_table(sanity[backbone], sanity_columns(settings.sanity))]
        for subset, part in subsets.items():
            means.append(_rows(backbone, subset, part.means.rename_axis("method").reset_index()))
            statistics.append(_rows(backbone, subset, part.statistics.reset_index()))
    folder = results_file(settings).parent
    write_text(folder / "results.csv", pd.concat(means).to_csv(index=False, float_format="%.6g"))
    write_statistics(statistics_file(settings), pd.concat(statistics))
    checks = [table.rename_axis("method").reset_index() for table in sanity.values()]
    checks = [_with_backbone(*pair) for pair in zip(sanity, checks, strict=True)]
    write_text(folder / "sanity.csv", pd.concat(checks).to_csv(index=False, float_format="%.6g"))
    _write_latex(settings, evaluations, sanity)
    _write_metrics(settings, evaluations)
    write_text(results_file(settings), "\n".join(sections))


def _section(settings: Settings, backbone: str, evaluation: Evaluation, missing: list[str]) -> list[str]:
    metrics, reference = settings.metrics, settings.report.reference
    sections = [
        f"## {backbone}\n",
        f"{evaluation.images} image{'' if evaluation.images == 1 else 's'}\n",
        methods_table(evaluation.means, comparison_columns(metrics), evaluation.marks),
        *_left_out(settings, backbone, evaluation, missing),
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


def _left_out(settings: Settings, backbone: str, evaluation: Evaluation, missing: list[str]) -> list[str]:
    """A line for the methods that are not defined on this backbone, and one for those without scores."""
    undefined = [title(method) for method in settings.methods.all if method not in {*evaluation.scores, *missing}]
    lines = [f"Not defined on {backbone}, so left out here: {', '.join(undefined)}.\n"] if undefined else []
    if missing:
        lines.append(f"Without scores, so left out here: {', '.join(title(method) for method in missing)}.\n")
    return lines


def _write_latex(settings: Settings, evaluations: dict[str, Evaluation], sanity: dict[str, pd.DataFrame]) -> None:
    means = {backbone: evaluation.means for backbone, evaluation in evaluations.items()}
    marks = {backbone: evaluation.marks for backbone, evaluation in evaluations.items()}
    layouts = {
        "comparison": (means, comparison_columns(settings.metrics), f"Comparison of the methods. {BOLD}"),
        "road": (means, road_columns(settings.metrics), f"ROAD by percentage of removed pixels. {BOLD}"),
        "sanity": (
            sanity,
            sanity_columns(settings.sanity),
            "Rank correlation with the map of a randomised classifier.",
        ),
    }
    for name, (tables, columns, caption) in layouts.items():
        text = latex.methods_table(
            tables, columns, marks, f"{settings.experiment}. {caption}", f"tab:{settings.experiment}-{name}"
        )
        write_text(results_file(settings).with_name(f"{name}.tex"), text)


def _write_metrics(settings: Settings, evaluations: dict[str, Evaluation]) -> None:
    """A JSON file for each backbone and method, since `dvc metrics` shows a row a file; an empty one without scores."""
    keys = [column.key for column in headline_columns(settings.metrics)]
    texts = {}
    for backbone, evaluation in evaluations.items():
        found = evaluation.means.reindex(index=settings.methods.all, columns=keys).round(2)
        for method, row in found.iterrows():
            numbers = row.dropna().to_dict()
            texts[metrics_file(settings, backbone, str(method))] = json.dumps(numbers, indent=2) + "\n"
    write_folder(results_file(settings).with_name("metrics"), texts)


def _rows(backbone: str, subset: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(1, "subset", subset)
    return _with_backbone(backbone, rows)


def _with_backbone(backbone: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(0, "backbone", backbone)
    return rows
