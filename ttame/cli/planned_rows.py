"""The jobs of an experiment and what each costs, for the plan."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ttame.attention.epochs import steps_of_epoch
from ttame.cli.calibration import Calibration, Cost
from ttame.data.datalists import make_datalists, read_datalist
from ttame.errors import NotDefined
from ttame.explainers.registry import refuse_undefined_pair
from ttame.measures.measure import make_measure
from ttame.measures.noise import STEPS
from ttame.params.section import SPLITS, Split
from ttame.params.settings import Settings
from ttame.runtime.progress import progress
from ttame.store.paths import list_file


@dataclass(frozen=True)
class Row:
    """One job of the DAG; where it is one of a measure, `method` is its name."""

    stage: str
    backbone: str
    method: str
    images: int
    cost: Cost
    seed: int | None = None

    @property
    def hours(self) -> float:
        return self.images * self.cost.seconds / 3600


def planned_rows(settings: Settings, device: torch.device) -> list[Row]:
    """A row per job, in an order in which each comes behind those that it waits for."""
    images = counts(settings)
    rows: list[Row] = []
    jobs = len(settings.backbones) * len(settings.methods.all)
    with progress(jobs, "calibrate", "methods") as bar:
        for backbone in settings.backbones:
            calibration = Calibration(settings, backbone, device)
            rows += _of_backbone(settings, backbone, calibration)
            for method in settings.methods.all:
                with contextlib.suppress(NotDefined):
                    found = list(_of_method(settings, backbone, method, images, calibration))
                    for seed in settings.methods.seeds_of(method):
                        rows += [dataclasses.replace(row, seed=seed) for row in found]
                bar.update()
    return rows


def counts(settings: Settings) -> dict[Split, int]:
    """Images of every list."""
    return {split: _count(settings, split) for split in SPLITS}


def _count(settings: Settings, split: Split) -> int:
    """Images of a list: as the params count them, or as the stage wrote them, or as there are."""
    stated = settings.data.counts[split]
    if stated is not None:
        return stated
    written = list_file(settings, split)
    return len(read_datalist(written) if written.exists() else make_datalists(settings.data)[split])


def _of_backbone(settings: Settings, backbone: str, calibration: Calibration) -> Iterator[Row]:
    if backbone in settings.data.model_truths:
        yield Row("truths", backbone, "", _count(settings, "train"), calibration.forward)
    forward = calibration.forward.seconds
    for measure in settings.measures.taken:
        images = _count(settings, "evaluation")
        passes = make_measure(measure, settings).passes(images)
        yield Row("basis", backbone, measure, images, Cost(passes * forward, passes, 0.0))
    few = min(settings.sensitivity.images, _count(settings, "evaluation"))
    yield Row(
        "sensitivity", backbone, "", few * settings.sensitivity.methods * len(STEPS), _scoring(settings, calibration)
    )


def _of_method(
    settings: Settings, backbone: str, method: str, images: dict[Split, int], calibration: Calibration
) -> Iterator[Row]:
    refuse_undefined_pair(method, backbone, calibration.backbone.is_transformer)
    if method in settings.methods.trained and backbone not in settings.attention[method].checkpoints:
        recipe = settings.attention[method].on(backbone).recipe
        seen = recipe.epochs * steps_of_epoch(images["train"], recipe) * recipe.batch_size * recipe.accumulate
        cost, warm_start = calibration.training(method), settings.attention[method].on(backbone).mechanism.warm_start
        if warm_start is not None:
            cost = cost.plus(calibration.start(method), min(warm_start.images, images["train"]) / seen)
        yield Row("train", backbone, method, seen, cost)
    metrics, evaluated = settings.metrics, images["evaluation"]
    a_map = calibration.map(method)
    yield Row("maps", backbone, method, evaluated * (2 if metrics.coherency else 1), a_map)
    yield Row("scores", backbone, method, evaluated, _scoring(settings, calibration))
    measures = [make_measure(measure, settings) for measure in settings.measures.taken]
    if new_maps := sum(measure.new_maps(evaluated) for measure in measures):
        yield Row("measure", backbone, method, new_maps, dataclasses.replace(a_map, bytes=0.0))
    if passes := sum(measure.judge_passes() for measure in measures):
        yield Row("measure", backbone, method, evaluated, Cost(passes * calibration.forward.seconds, passes, 0.0))
    checked = min(settings.sanity.images, evaluated) * (1 + len(settings.sanity.depths))
    yield Row("sanity", backbone, method, checked, Cost(a_map.seconds, a_map.forward, a_map.backward))


def _scoring(settings: Settings, calibration: Calibration) -> Cost:
    """AD, IC, ROAD and the curves of one image."""
    metrics = settings.metrics
    fills = 2 * len(metrics.road.shares)
    passes = 1 + len(metrics.shares) + fills + 2 * metrics.insertion_deletion.steps
    return Cost(passes * calibration.forward.seconds + fills * calibration.fill, passes, 0.0)
