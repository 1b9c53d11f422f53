"""The jobs of an experiment and what each costs, for the plan."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ttame.attention.epochs import steps_of_epoch
from ttame.cli.calibration import Calibration
from ttame.cli.costs import Cost, Costs, Known
from ttame.cli.job_sizes import known_count, processes_of
from ttame.cli.plan_file import JobName, PlannedJob
from ttame.data.datalists import make_datalists
from ttame.errors import NotDefined
from ttame.explainers.registry import title
from ttame.measures.measure import Measure, make_measure
from ttame.measures.noise import STEPS
from ttame.measures.registry import MEASURES
from ttame.params.section import SPLITS, Split
from ttame.params.settings import Settings
from ttame.report.columns import score_columns
from ttame.runtime.device import select_device
from ttame.runtime.progress import progress


@dataclass(frozen=True)
class Row:
    """One job of the DAG; what its stage has no axis for is empty, or None.

    Attributes:
        memory: bytes of a process at its peak.
    """

    stage: str
    backbone: str
    method: str
    images: int
    cost: Cost
    memory: float
    seed: int | None = None
    measure: str = ""

    @property
    def name(self) -> JobName:
        """What the engine calls it."""
        return JobName(self.stage, self.backbone, self.method, self.seed, self.measure)

    @property
    def subject(self) -> str:
        """What tables call its method, its measure or both; empty where a job is of all methods."""
        titles = (title(self.method) if self.method else "", MEASURES[self.measure].title if self.measure else "")
        return ", ".join(filter(None, titles))

    @property
    def hours(self) -> float:
        return self.images * self.cost.seconds / 3600

    @property
    def disk(self) -> float:
        """Bytes; a trained mechanism is kept once, maps for every image."""
        return self.cost.bytes * (1 if self.stage == "train" else self.images)

    def kept(self) -> PlannedJob:
        """What a file keeps of it."""
        memory = round(self.memory)
        return PlannedJob(
            self.stage, self.backbone, self.method, self.seed, self.images, self.hours, memory, self.measure
        )


def planned_rows(
    settings: Settings, images: Mapping[Split, int], told: Mapping[str, Known] | None = None
) -> tuple[list[Row], dict[str, Known]]:
    """A row per job, in an order in which each comes behind those that it waits for, and the costs by backbone.

    Args:
        settings: of the experiment.
        images: of every list.
        told: costs that are not measured here; all of them are where it is None.

    Raises:
        TTameError: when a cost that is needed is not told.
    """
    rows: list[Row] = []
    known: dict[str, Known] = {}
    jobs = len(settings.backbones) * len(settings.methods.all)
    with progress(jobs, "calibrate", "methods") as bar:
        for backbone in settings.backbones:
            costs = _costs(settings, backbone, told)
            rows += _of_backbone(settings, backbone, images, costs)
            for method in settings.methods.all:
                with contextlib.suppress(NotDefined):
                    found = list(_of_method(settings, backbone, method, images, costs))
                    for seed in settings.methods.seeds_of(method):
                        rows += [dataclasses.replace(row, seed=seed) for row in found]
                bar.update()
            known[backbone] = costs.known
    return rows, known


def _costs(settings: Settings, backbone: str, told: Mapping[str, Known] | None) -> Costs:
    if told is not None:
        return Costs(backbone, told.get(backbone))

    def measure() -> Calibration:
        return Calibration(settings, backbone, select_device(settings.execution))

    return Costs(backbone, measure=measure)


def counts(settings: Settings) -> dict[Split, int]:
    """Images of every list."""
    known = {split: known_count(settings, split) for split in SPLITS}
    made = make_datalists(settings.data) if None in known.values() else {}
    return {split: len(made[split]) if count is None else count for split, count in known.items()}


def _of_backbone(settings: Settings, backbone: str, images: Mapping[Split, int], costs: Costs) -> Iterator[Row]:
    base, forward = costs.process.fixed, costs.forward
    memory = base + forward.memory(settings.execution.batch_size)
    if backbone in settings.data.model_truths:
        yield Row("truths", backbone, "", images["train"], forward, memory)
    evaluated = images["evaluation"]
    taken = {measure: make_measure(measure, settings) for measure in settings.measures.taken}
    for measure, made in taken.items():
        passes, batch = made.passes(evaluated), made.trained_batch()
        cost = Cost(passes * forward.seconds, passes)
        most = max(memory, base + costs.judge.memory(batch)) if batch else memory
        yield Row("basis", backbone, "", evaluated, cost, most, measure=measure)
    few = min(settings.sensitivity.images, evaluated)
    versions = few * settings.sensitivity.methods * len(STEPS)
    # The maps that measures need of the best methods are left out: which those are is known only then.
    # At most: a method that is the best of two columns is judged once, and asked once about the image itself, and the
    # best of AD, IC and AG of one share about the same masked image.
    asked = sum(made.judge_passes() * len(MEASURES[measure].columns) for measure, made in taken.items())
    asked += len(score_columns(settings.metrics)) - 1 + 2 * len(settings.metrics.shares)
    cost = _scoring(settings, costs).plus(forward, asked)
    yield Row("sensitivity", backbone, "", versions, cost, base + cost.memory(settings.execution.batch_size))


def _of_method(
    settings: Settings, backbone: str, method: str, images: Mapping[Split, int], costs: Costs
) -> Iterator[Row]:
    a_map, base, size = costs.map(method), costs.process.fixed, settings.execution.batch_size
    if method in settings.methods.trained and backbone not in settings.attention[method].checkpoints:
        recipe = settings.attention[method].on(backbone).recipe
        seen = recipe.epochs * steps_of_epoch(images["train"], recipe) * recipe.batch_size * recipe.accumulate
        cost, warm_start = costs.training(method), settings.attention[method].on(backbone).mechanism.warm_start
        if warm_start is not None:
            cost = cost.plus(costs.start(method), min(warm_start.images, images["train"]) / seen)
            if warm_start.scale == "auto":
                cost = cost.plus(costs.forward, min(warm_start.images, images["train"]) / seen)
        memory = base + cost.memory(recipe.batch_size / processes_of(settings, "train"))
        yield Row("train", backbone, method, seen, cost, memory)
    metrics, evaluated = settings.metrics, images["evaluation"]
    memory, scoring = base + a_map.memory(size), _scoring(settings, costs)
    yield Row("maps", backbone, method, evaluated * (2 if metrics.coherency else 1), a_map, memory)
    yield Row("scores", backbone, method, evaluated, scoring, base + scoring.memory(size))
    without_files = dataclasses.replace(a_map, bytes=0.0)
    for measure in settings.measures.taken:
        judged = _judging(make_measure(measure, settings), evaluated, a_map, costs.forward)
        yield Row("measure", backbone, method, evaluated, judged, base + judged.memory(size), measure=measure)
    checked = min(settings.sanity.images, evaluated) * (1 + len(settings.sanity.depths))
    yield Row("sanity", backbone, method, checked, without_files, memory)


def _judging(measure: Measure, images: int, a_map: Cost, forward: Cost) -> Cost:
    """What a measure takes for each of so many images, with the maps that it needs beside theirs."""
    passes, new = measure.judge_passes(), measure.new_maps(images)
    asking = dataclasses.replace(forward, seconds=passes * forward.seconds, forward=passes)
    cost = asking if passes else Cost(0.0)
    return cost.plus(a_map, new / images) if new else cost


def _scoring(settings: Settings, costs: Costs) -> Cost:
    """AD, IC, ROAD and the curves of one image, each version of it in a batch of them."""
    metrics, forward, fill = settings.metrics, costs.forward, costs.fill
    fills = 2 * len(metrics.road.shares)
    passes = 1 + len(metrics.shares) + fills + 2 * metrics.insertion_deletion.steps
    seconds = passes * forward.seconds + fills * fill.seconds
    return Cost(seconds, passes, fixed=forward.fixed + fill.fixed, each=forward.each + fill.each)
