"""`ttame plan`: what the active experiment will compute and what that takes on this device, before anything runs."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ttame.attention.epochs import refuse_too_few, steps_of_epoch
from ttame.cli.arguments import PARTED
from ttame.cli.calibration import Calibration, Cost
from ttame.data.datalists import make_datalists, read_datalist
from ttame.errors import NotDefined
from ttame.explainers.registry import refuse_undefined_pair, title
from ttame.measures.measure import make_measure
from ttame.measures.noise import STEPS
from ttame.measures.registry import MEASURES
from ttame.params.section import SPLITS, Split
from ttame.params.settings import Settings
from ttame.report.markdown import MISSING, markdown_table
from ttame.runtime.device import device_name, select_device
from ttame.runtime.progress import progress
from ttame.store.paths import list_file
from ttame.store.provenance import read_records

HEADINGS = ("Stage", "Backbone", "Method", "Seed", "Images", "Forward", "Backward", "Disk, MB", "Hours", "Took, h")
NOTE = """\
Images of a training are those of all epochs. Forward and backward are passes of the classifier, counted in images, of a
training with those of its warm start, and of P-TAME with those of its auxiliary classifier. Hours are of one job after
the other on {device}, extrapolated from a few calls with random weights; decoding the images and starting the jobs come
on top. "Took" is what the stage took when it last ran here."""


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


def run(settings: Settings) -> str:
    """A table with a row per job and their sum.

    Raises:
        TTameError: when a list has no count and its folder is not there, or a training list does not fill a step.
    """
    device = select_device(settings.execution)
    images = {split: _count(settings, split) for split in SPLITS}
    for backbone, method in itertools.product(settings.backbones, settings.methods.trained):
        if backbone not in settings.attention[method].checkpoints:
            recipe = settings.attention[method].on(backbone).recipe
            refuse_too_few(images["train"], recipe, method, "the training list")
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
    took = {facts["stage"]: float(facts["seconds"]) / 3600 for facts in read_records(settings)}
    cells = [_cells(row, took) for row in rows]
    cells.append(_total(rows, took))
    lists = ", ".join(f"{count} {split}" for split, count in images.items())
    parts = settings.execution.parts
    parted = f" ({', '.join(sorted(PARTED))} in {parts} parts each)" if parts > 1 else ""
    heading = (
        f"Plan of `{settings.experiment}`: {lists} images, {len(rows)} jobs{parted} besides lists, figures, tables and "
        "page"
    )
    return "\n".join(
        [heading, "", markdown_table(HEADINGS, cells, numbers_from=3), NOTE.format(device=device_name(device))]
    )


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


def _label(name: str) -> str:
    """What tables call a method, or a measure."""
    return MEASURES[name].title if name in MEASURES else title(name) if name else ""


def _cells(row: Row, took: dict[str, float]) -> list[str]:
    seed = "" if row.seed is None else str(row.seed)
    cost, name = row.cost, " ".join(part for part in (row.stage, row.backbone, row.method, seed) if part)
    # A trained mechanism is kept once, maps for every image.
    size = cost.bytes * (1 if row.stage == "train" else row.images) / 1e6
    return [
        row.stage,
        row.backbone,
        _label(row.method),
        seed,
        f"{row.images}",
        f"{row.images * cost.forward:.0f}",
        f"{row.images * cost.backward:.0f}",
        f"{size:.3g}" if size else "",
        _hours(row.hours),
        _hours(took[name]) if name in took else MISSING,
    ]


def _total(rows: list[Row], took: dict[str, float]) -> list[str]:
    forward = sum(row.images * row.cost.forward for row in rows)
    backward = sum(row.images * row.cost.backward for row in rows)
    size = sum(row.cost.bytes * (1 if row.stage == "train" else row.images) for row in rows) / 1e6
    hours = sum(row.hours for row in rows)
    measured = _hours(sum(took.values())) if took else MISSING
    return ["all", "", "", "", "", f"{forward:.0f}", f"{backward:.0f}", f"{size:.3g}", _hours(hours), measured]


def _hours(hours: float) -> str:
    return f"{hours:.4f}" if hours < 0.1 else f"{hours:.2f}"
