"""Stage: the tables of an experiment, from the scores of all methods."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from ttame.data.datalists import read_names
from ttame.explainers.registry import title
from ttame.measures.registry import MEASURES
from ttame.params.settings import Settings
from ttame.report import latex, legends
from ttame.report.columns import (
    adcc_columns,
    comparison_columns,
    headline_columns,
    quality_columns,
    road_columns,
    sanity_columns,
)
from ttame.report.evaluation import Evaluation, evaluate
from ttame.report.markdown import differences_table, intervals_table, methods_table, seeds_table
from ttame.report.marks import Mark
from ttame.report.measure_checks import agreement, check_measures
from ttame.report.measure_tables import checks_table, recommendation
from ttame.report.seeds import units
from ttame.store.artifacts import write_folder, write_text
from ttame.store.basis_file import read_note
from ttame.store.checks_file import write_agreement, write_checks
from ttame.store.measures_file import read_measures, silent_shares
from ttame.store.paths import (
    agreement_file,
    basis_file,
    checks_file,
    list_file,
    metrics_file,
    results_file,
    statistics_file,
)
from ttame.store.scored_methods import read_sanity, read_scores
from ttame.store.seeds import SEED
from ttame.store.sensitivity_file import read_sensitivity
from ttame.store.statistics_file import EVERYTHING, write_statistics
from ttame.store.undefined import undefined_reason

Marks = Mapping[tuple[str, str], Mark]


def run(settings: Settings) -> None:
    """Write `results.md`, `results.csv`, `seeds.csv`, `statistics.csv`, `measures.csv`, `agreement.csv`, `sanity.csv`,
    `comparison.tex`, `road.tex`, `sanity.tex`, and in `metrics` a file for every pair.

    A method without scores is named and left out.

    Raises:
        TTameError: when no method has scores, or scores are not of the images in the evaluation list.
    """
    names = read_names(list_file(settings, "evaluation"))
    measures = "".join(f"\n{MEASURES[measure].legend}\n" for measure in settings.measures.taken)
    sections = [f"# Results of `{settings.experiment}`\n", legends.legend(settings.metrics, measures)]
    means, statistics, seeds, shown, sanity, checks, agreements = [], [], [], {}, {}, {}, {}
    for backbone in settings.backbones:
        scores, missing = read_scores(settings, backbone, names, curves=False)
        measured = read_measures(settings, backbone, scores)
        evaluation = evaluate(scores, settings.metrics, settings.report, measured)
        # Without the scores, which are large where there are many images.
        shown[backbone], sanity[backbone] = (evaluation.means, evaluation.marks), read_sanity(settings, backbone)
        seeds += _seeds(backbone, evaluation)
        sections += _section(settings, backbone, evaluation, missing)
        subsets = {EVERYTHING: evaluation}
        seen = evaluation.on_seen_classes(settings.methods.trained)
        if seen is not None:
            subsets["seen in training"] = seen
            table = methods_table(seen.means, comparison_columns(settings.metrics), seen.marks)
            sections += [legends.SEEN + f"\n{seen.images} of {len(names)} images\n", table]
        columns = quality_columns(settings.metrics)
        checks[backbone] = check_measures(evaluation, columns, read_sensitivity(settings, backbone))
        agreements[backbone] = agreement(evaluation.means, columns)
        sections += [legends.MEASURES_CHECKED, recommendation(backbone, checks[backbone], columns) + "\n"]
        sections.append(checks_table(checks[backbone], columns))
        if len(sanity[backbone]):
            introduction = legends.SANITY.format(images=min(settings.sanity.images, len(names)))
            sections += [introduction, methods_table(sanity[backbone], sanity_columns(settings.sanity))]
        for subset, part in subsets.items():
            means.append(_rows(backbone, subset, part.means.rename_axis("method").reset_index()))
            statistics.append(_rows(backbone, subset, part.statistics.reset_index()))
    folder = results_file(settings).parent
    write_text(folder / "results.csv", pd.concat(means).to_csv(index=False, float_format="%.6g"))
    write_text(folder / "seeds.csv", _joined(seeds).to_csv(index=False, float_format="%.6g"))
    write_statistics(statistics_file(settings), pd.concat(statistics))
    rows = [table.rename_axis("method").reset_index() for table in sanity.values()]
    rows = [_with_backbone(*pair) for pair in zip(sanity, rows, strict=True)]
    write_text(folder / "sanity.csv", pd.concat(rows).to_csv(index=False, float_format="%.6g"))
    write_checks(checks_file(settings), checks)
    write_agreement(agreement_file(settings), agreements)
    _write_latex(settings, shown, sanity)
    _write_metrics(settings, {backbone: table for backbone, (table, _) in shown.items()})
    write_text(results_file(settings), "\n".join(sections))


def _section(settings: Settings, backbone: str, evaluation: Evaluation, missing: list[str]) -> list[str]:
    metrics, reference = settings.metrics, settings.report.reference
    sections = [
        f"## {backbone}\n",
        f"{evaluation.images} image{'' if evaluation.images == 1 else 's'}\n",
        methods_table(evaluation.means, comparison_columns(metrics), evaluation.marks),
        *_units(settings, backbone, evaluation),
        *_left_out(settings, backbone, evaluation, missing),
        f"![Maps of every method on {backbone}](../figures/{backbone}.png)\n",
        legends.INTERVALS.format(drawn=legends.drawn(settings.methods)),
        intervals_table(evaluation.means, evaluation.intervals, quality_columns(metrics)),
    ]
    if evaluation.against_reference:
        sections += [
            legends.DIFFERENCES.format(reference=title(reference)),
            differences_table(evaluation.against_reference, quality_columns(metrics)),
        ]
    if evaluation.several_seeds:
        sections += [legends.SEEDS, seeds_table(evaluation.several_seeds, quality_columns(metrics))]
    sections += [
        "ROAD by share of removed pixels:\n",
        methods_table(evaluation.means, road_columns(metrics), evaluation.marks),
    ]
    if metrics.coherency:
        sections += ["The parts of ADCC:\n", methods_table(evaluation.means, adcc_columns())]
    return sections


def _units(settings: Settings, backbone: str, evaluation: Evaluation) -> list[str]:
    """Of every measure, how many images or grids it stands on, or why it says nothing here."""
    lines = []
    for measure in settings.measures.taken:
        entry, tables = MEASURES[measure], evaluation.measured.get(measure)
        if tables:
            count = units(next(iter(tables.values())))
            basis = basis_file(settings, backbone, measure)
            note = read_note(basis) if basis.exists() else ""  # of measures that were copied here without it
            said = f"{entry.title}: {count} {entry.unit}{'' if count == 1 else 's'}"
            silent = silent_shares(settings, backbone, measure, tables)
            shares = ", ".join(f"{title(method)} {share:.1f} %" for method, share in silent.items())
            counted = f"maps that tell it nothing count as 0: {shares}" if silent else ""
            lines.append("; ".join(filter(None, (said, note, counted))) + ".\n")
            continue
        path = basis_file(settings, backbone, measure)
        if path.exists() and (reason := undefined_reason(path)):
            lines.append(f"{entry.title} is left out: {reason}.\n")
    return lines


def _left_out(settings: Settings, backbone: str, evaluation: Evaluation, missing: list[str]) -> list[str]:
    """A line for the methods that are not defined on this backbone, and one for those without scores."""
    undefined = [title(method) for method in settings.methods.all if method not in {*evaluation.scores, *missing}]
    lines = [f"Not defined on {backbone}, so left out here: {', '.join(undefined)}.\n"] if undefined else []
    if missing:
        lines.append(f"Without scores, so left out here: {', '.join(title(method) for method in missing)}.\n")
    return lines


def _write_latex(
    settings: Settings, shown: Mapping[str, tuple[pd.DataFrame, Marks]], sanity: dict[str, pd.DataFrame]
) -> None:
    """`shown` has the means of every backbone and their marks."""
    means = {backbone: table for backbone, (table, _) in shown.items()}
    marks = {backbone: marked for backbone, (_, marked) in shown.items()}
    bold = legends.BOLD + legends.seeds_in_caption(settings.methods)
    layouts = {
        "comparison": (means, comparison_columns(settings.metrics), f"Comparison of the methods. {bold}"),
        "road": (means, road_columns(settings.metrics), f"ROAD by percentage of removed pixels. {bold}"),
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


def _write_metrics(settings: Settings, means: dict[str, pd.DataFrame]) -> None:
    """A JSON file for each backbone and method, since `dvc metrics` shows a row a file; an empty one without scores."""
    keys = [column.key for column in headline_columns(settings.metrics)]
    texts = {}
    for backbone, table in means.items():
        found = table.reindex(index=settings.methods.all, columns=keys).round(2)
        for method, row in found.iterrows():
            numbers = row.dropna().to_dict()
            texts[metrics_file(settings, backbone, str(method))] = json.dumps(numbers, indent=2) + "\n"
    write_folder(results_file(settings).with_name("metrics"), texts)


def _seeds(backbone: str, evaluation: Evaluation) -> list[pd.DataFrame]:
    """A row per seed of every method that has several, and a column per number."""
    return [
        _with_backbone(backbone, table.rename_axis(SEED).reset_index().assign(method=method))
        for method, table in evaluation.several_seeds.items()
    ]


def _joined(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """The rows of `_seeds`, those of all backbones; the columns alone where there are none."""
    keys = ["backbone", "method", SEED]
    found = pd.concat(rows) if rows else pd.DataFrame(columns=keys)
    return found[[*keys, *found.columns.difference(keys, sort=False)]]


def _rows(backbone: str, subset: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(1, "subset", subset)
    return _with_backbone(backbone, rows)


def _with_backbone(backbone: str, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(0, "backbone", backbone)
    return rows
