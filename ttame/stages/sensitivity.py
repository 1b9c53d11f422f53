"""Stage: does every measure fall when the maps of its best methods are mixed with noise?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ttame.data.datalists import read_names
from ttame.measures.column import Column
from ttame.measures.measure import make_measure
from ttame.measures.noise import STEPS, mixed
from ttame.measures.registry import MEASURES
from ttame.metrics.asked import Asked
from ttame.metrics.masking import normalise_map
from ttame.params.settings import Settings
from ttame.report.aggregate import qualities
from ttame.report.columns import score_columns
from ttame.report.ranking import Run, best_runs, sign_of
from ttame.stages.evaluation_images import EvaluationImages
from ttame.stages.method import Method
from ttame.stages.pieces import finish_pieces
from ttame.stages.scores import score_batch
from ttame.stages.subject import Subject
from ttame.store.artifacts import write_text
from ttame.store.basis_file import read_basis
from ttame.store.measures_file import read_measures
from ttame.store.origin import origin_of_sensitivity
from ttame.store.paths import basis_file, list_file, sensitivity_file
from ttame.store.scored_methods import read_scores
from ttame.store.scratch import Scratch
from ttame.store.seeds import SEED

SCORES = "scores"
"""Stands for all that the scores stage measures, beside the names of the measures."""
UNASKED = ("adcc",)
"""A method would have to run again, on every image times its noisy map."""

Means = Mapping[str, float]
AtNoise = Callable[[int], Means]
"""The mean of every column, as tables show it, with so many percent of noise in the maps."""


def run(settings: Settings, backbone: str) -> None:
    """Write a CSV with a row per method with its seed, percent of noise and column of the tables: the mean over a few
    images.

    Every column is asked about the methods that it calls the best, of a trained one about its best seed, since maps
    that it calls no better than noise have no way to fall.
    """
    subject = Subject(settings, backbone)
    target, origin = sensitivity_file(settings, backbone), origin_of_sensitivity(settings, backbone)
    questions = _best_of_each(settings, backbone)
    jobs = [(*question, step) for question in questions for step in STEPS]
    identity = subject.identity(origin) | {"jobs": jobs}
    scratch = Scratch(target, identity)

    @lru_cache(1)
    def ask(measure: str, method_run: Run) -> AtNoise:
        method, columns = Method(subject, *method_run), questions[measure, method_run]
        if measure == SCORES:
            return _ask_scores(method, columns)

        def scratch_of(part: str) -> Scratch:
            return Scratch(target / f"{measure}-{method.name}-{method.seed}-{part}", identity)

        return _ask_measure(method, measure, columns, scratch_of)

    def work(missing: list[int], advance: Callable[[int], object]) -> Iterator[dict[str, Tensor]]:
        for number in missing:
            measure, method_run, step = jobs[number]
            found = ask(measure, method_run)(step)
            yield {key: torch.tensor(mean, dtype=torch.float64) for key, mean in found.items()}
            advance(1)

    pieces = finish_pieces(scratch, [1] * len(jobs), work, f"sensitivity {backbone}", what="steps")
    rows = [
        [*method_run, step, key, float(mean)]
        for (_, method_run, step), piece in zip(jobs, pieces, strict=True)
        for key, mean in sorted(piece.items())
    ]
    table = pd.DataFrame(rows, columns=["method", "seed", "noise", "column", "mean"]).astype({"seed": "Int64"})
    write_text(target, table.assign(**origin).to_csv(index=False, float_format="%.9g"))
    scratch.clear()


def _best_of_each(settings: Settings, backbone: str) -> dict[tuple[str, Run], list[Column]]:
    """By measure, or `SCORES`, and method with its seed, the columns that are asked about them."""
    scores, _ = read_scores(settings, backbone, read_names(list_file(settings, "evaluation")), curves=False)
    means: dict[str, dict[Run, pd.Series]] = {SCORES: {}}
    for name in scores:  # a method at a time, since there may be many images
        means[SCORES] |= _means(settings, name, qualities(scores[name], settings.metrics))
    for measure, tables in read_measures(settings, backbone, scores).items():
        means[measure] = {run: mean for name in tables for run, mean in _means(settings, name, tables[name]).items()}
    found: dict[tuple[str, Run], list[Column]] = {}
    for measure, of_runs in means.items():
        columns = score_columns(settings.metrics) if measure == SCORES else MEASURES[measure].columns
        for column in (column for column in columns if column.better and column.key not in UNASKED):
            worth = {run: sign_of(column) * mean.get(column.key, np.nan) for run, mean in of_runs.items()}
            for run in best_runs(worth, settings.sensitivity.methods):
                found.setdefault((measure, run), []).append(column)
    return found


def _means(settings: Settings, name: str, values: pd.DataFrame) -> dict[Run, pd.Series]:
    """By seed, the mean of every column of one method; the index of `values` is (seed, name), or the name alone."""
    if SEED not in values.index.names:
        return {(name, settings.methods.first_seed_of(name)): values.mean()}
    by_seed = values.groupby(level=SEED, sort=False).mean()
    return {(name, int(seed)): by_seed.loc[seed] for seed in by_seed.index}


def _ask_measure(method: Method, measure: str, columns: Sequence[Column], scratch: Callable[[str], Scratch]) -> AtNoise:
    """On all units of the measure's basis; on a few where the method has to make maps for them."""
    subject, settings = method.subject, method.subject.settings
    basis = read_basis(basis_file(settings, subject.name, measure), f"ttame basis {subject.name} {measure}")
    made = make_measure(measure, settings)
    if made.new_maps(len(basis.units)) or made.judge_passes():
        basis = basis.spread(settings.sensitivity.images)
    maps = made.normalise(made.maps(subject, method, basis, scratch("maps")))

    def means(noise: int) -> Means:
        noisy = mixed(maps, basis.units, noise, settings.sensitivity.seed)
        judged = made.judge(subject, made.normalise(noisy), basis, scratch(f"noise-{noise}"))
        return {column.key: column.scale * float(judged[column.key].double().mean()) for column in columns}

    return means


def _ask_scores(method: Method, columns: Sequence[Column]) -> AtNoise:
    """Columns of what the scores stage computes."""
    keys = [column.key for column in columns]
    subject, settings = method.subject, method.subject.settings
    images = EvaluationImages(settings, subject.backbone, subject.device, at_most=settings.sensitivity.images)
    found = method.maps()
    places = {name: place for place, name in enumerate(found.names)}
    few = replace(found.at([places[name] for name in images.names]), maps_of_masked=None)
    starts = np.cumsum([0, *images.sizes()])
    asked = Asked.for_columns(keys, settings.metrics)

    @torch.no_grad()
    def means(noise: int) -> Means:
        noisy = mixed(normalise_map(few.maps), images.names, noise, settings.sensitivity.seed)
        maps = replace(few, maps=noisy)
        pieces = []
        for batch in images.all():
            rows = slice(starts[batch.number], starts[batch.number + 1])
            given = maps.of(rows, subject.device)
            pieces.append(score_batch(subject.backbone, batch, given, settings.metrics, asked))
        table = pd.DataFrame({key: torch.cat([piece[key] for piece in pieces]).numpy() for key in pieces[0]})
        numbers = qualities(table.assign(name=images.names), settings.metrics, asked)[keys].mean()
        return {str(key): float(mean) for key, mean in numbers.items()}

    return means
